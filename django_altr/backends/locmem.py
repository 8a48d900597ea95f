"""A vault in the memory of the process, for tests: the whole contract, no network."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable

from django_altr.exceptions import TokenNotFound
from django_altr.redact import Redacted

from .base import BaseBackend, TokenStatus

__all__ = ["LocMemBackend"]


class Store:
    """What one in-memory vault holds."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.metadata: dict[str, str] = {}
        self.deterministic: dict[str, str] = {}
        self.lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Store of {len(self.values)} values>"


#: LOCATION -> store: vaults with the same LOCATION share one, as two processes share a server.
_stores: dict[str, Store] = {}


class LocMemBackend(BaseBackend):
    """Keep values in a dictionary of this process; they are gone with it. For tests and demonstrations.

    ``calls`` records what a network backend would have sent, as (operation, number of values) pairs: one for every
    full batch. ``fail_with`` makes calls fail.
    """

    supports_metadata = True
    supports_status = True
    supports_deterministic = True
    supports_delete = True
    known_options = frozenset({"token_pattern"})

    def setup(self) -> None:
        self._store = _stores.setdefault(self.params.reveal().get("LOCATION") or self.alias, Store())
        self.calls: list[tuple[str, int]] = []
        self._failure: BaseException | type[BaseException] | None = None
        self._failures_left: int | None = None

    def put_many(self, texts: Redacted[list[str]], labels: list[str | None], deterministic: bool) -> list[str]:
        self._count("tokenize", len(texts))
        with self._store.lock:
            if deterministic:
                return [self._same_token(value) for value in texts.reveal()]
            return [self._new_token(value, label) for value, label in zip(texts.reveal(), labels, strict=True)]

    def find_many(self, tokens: Iterable[str]) -> dict[str, str]:
        self.check_detokenization_allowed()
        wanted = list(dict.fromkeys(map(str.__str__, tokens)))
        self._count("detokenize", len(wanted))
        values = self._store.values
        return {token: values[token] for token in wanted if token in values}

    def delete_many(self, tokens: Iterable[str]) -> None:
        doomed = list(dict.fromkeys(tokens))
        self._count("delete", len(doomed))
        with self._store.lock:
            for token in doomed:
                self._forget(token)

    def metadata(self, token: str) -> str | None:
        self._count("metadata", 1)
        self._require(token)
        return self._store.metadata.get(token)

    def status(self, token: str) -> TokenStatus:
        self._count("status", 1)
        self._require(token)
        return {"token_active": True, "data_protected": True, "data_available": True}

    def fail_with(self, error: BaseException | type[BaseException] | None, times: int | None = None) -> None:
        """Raise ``error`` from the next ``times`` calls (all of them if ``None``); ``None`` as error stops it."""
        self._failure, self._failures_left = error, times

    def clear(self) -> None:
        """Forget every value and every recorded call, and stop failing."""
        with self._store.lock:
            for kept in (self._store.values, self._store.metadata, self._store.deterministic):
                kept.clear()
        self.calls.clear()
        self.fail_with(None)

    def after_fork(self) -> None:
        self._store.lock = threading.RLock()

    def _count(self, operation: str, number: int) -> None:
        for start in range(0, number, self.max_values):
            self.report(operation)
            self.calls.append((operation, min(self.max_values, number - start)))
        if number and self._failure is not None and self._failures_left != 0:
            if self._failures_left is not None:
                self._failures_left -= 1
            raise self._failure

    def _new_token(self, value: str, label: str | None) -> str:
        token = f"chain_{secrets.token_hex(32)}"
        self._store.values[token] = value
        if label is not None:
            self._store.metadata[token] = label
        return token

    def _same_token(self, value: str) -> str:
        known = self._store.deterministic
        if value not in known:
            known[value] = self._new_token(value, None)
        return known[value]

    def _forget(self, token: str) -> None:
        self._store.metadata.pop(token, None)
        value = self._store.values.pop(token, None)
        if value is not None and self._store.deterministic.get(value) == token:
            del self._store.deterministic[value]

    def _require(self, token: str) -> None:
        if token not in self._store.values:
            raise TokenNotFound([token])
