"""Tokens that a transaction let go of: deleted from the vault once it committed, if no row holds them."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any
from weakref import WeakSet

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .holders import held
from .journal import DELETED, FAILED, journal_of

__all__ = ["Release", "delete_unheld", "release_after_commit"]

logger = logging.getLogger("django_altr")

#: Reference tokens by vault and label of their field.
Tokens = Mapping[tuple[str, str], Collection[str]]


class _Waiting(threading.local):
    def __init__(self) -> None:
        self.releases: defaultdict[str, WeakSet[Release]] = defaultdict(WeakSet)


_waiting = _Waiting()


class Release:
    """What runs after commit. The first of a transaction's takes over the others: one request, not one a row.

    A rollback drops Django's reference to it, and with that the release.
    """

    def __init__(self, using: str, tokens: Tokens) -> None:
        self.using = using
        self.tokens = tokens
        _waiting.releases[using].add(self)

    def __call__(self) -> None:
        together: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        releases = {self, *_waiting.releases.pop(self.using, ())}
        for release in releases:
            tokens, release.tokens = release.tokens, {}
            for (vault, label), some in tokens.items():
                together[vault][label].update(some)
        for vault, by_label in together.items():
            delete_unheld(vault, by_label)


def delete_unheld(vault: str, tokens: Mapping[str, Collection[str]]) -> None:
    """Delete what no row holds: label of the field -> tokens. Never raises: the transaction is over.

    What could not be deleted is recorded in the journal, for ``altr_orphans``.
    """
    from ..backends import vaults

    every = {token for some in tokens.values() for token in some}
    try:
        free = every - held(vault, every)
        if free:
            vaults[vault].delete_many(sorted(free))
    except Exception as error:
        reason = type(error).__name__
    else:
        _record(vault, DELETED, {label: free.intersection(some) for label, some in tokens.items()})
        return
    _record(vault, FAILED, tokens)
    logger.error(
        "%d tokens of the vault %r could not be deleted (%s). %s",
        len(every), vault, reason,
        "'manage.py altr_orphans --delete' finishes it." if journal_of(vault)
        else "They are orphans now, and nothing recorded them: give the vault the option 'journal'.",
    )  # fmt: skip


def _record(vault: str, operation: Any, tokens: Mapping[str, Collection[str]]) -> None:
    if (journal := journal_of(vault)) is not None:
        journal.record(operation, {label: sorted(some) for label, some in tokens.items() if some})


class _AfterStatement:
    """An execute wrapper for the next statement: without a transaction its success is the commit."""

    def __init__(self, connection: BaseDatabaseWrapper, release: Release) -> None:
        self.connection = connection
        self.release = release

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        self.connection.execute_wrappers.remove(self)
        try:
            result = execute(sql, params, many, context)
        except BaseException:
            # The error's traceback keeps this frame, and with it the release: it must not go with the next one.
            self.release.tokens = {}
            raise
        if self.connection.get_autocommit():
            transaction.on_commit(self.release, using=self.connection.alias)
        return result


def release_after_commit(connection: BaseDatabaseWrapper, tokens: Tokens) -> None:
    """Let the tokens go that the next statement of this connection replaces or deletes.

    With autocommit off and outside of ``atomic()`` nothing tells the commit: ``altr_orphans`` finds them.
    """
    release = Release(connection.alias, tokens)
    if connection.in_atomic_block:
        transaction.on_commit(release, using=connection.alias)
    else:
        connection.execute_wrappers.insert(0, _AfterStatement(connection, release))
