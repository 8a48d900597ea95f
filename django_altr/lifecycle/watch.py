"""Notice the tokens that statements replace and delete, just before they do.

Watched is a field with ``on_delete="delete"``, and every field of a vault that keeps a journal. Others cost nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.signals import setting_changed
from django.db import connections
from django.db.models import Model, Q, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.signals import class_prepared, pre_delete
from django.db.models.sql import InsertQuery, Query, UpdateQuery

from ..fields.cells import Pending, Token
from ..markers import is_erased
from .journal import RELEASED, batches, journal_of
from .release import release_after_commit

if TYPE_CHECKING:
    from ..fields import TokenizedField

__all__ = ["is_watched", "note_replaced", "unwatched", "watch_deletions"]

_paused: ContextVar[bool] = ContextVar("django_altr_unwatched", default=False)


@contextmanager
def unwatched() -> Iterator[None]:
    """Notice nothing inside of the block."""
    reset = _paused.set(True)
    try:
        yield
    finally:
        _paused.reset(reset)


def is_watched(field: TokenizedField) -> bool:
    return not _paused.get() and (field.on_delete == "delete" or journal_of(field.vault) is not None)


def _let_go(tokens: Mapping[TokenizedField, Collection[str]], using: str) -> None:
    """Record the tokens, and delete them after commit where the field says so."""
    doomed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for field, every in tokens.items():
        released = {str(token) for token in every if _is_token(field, token)}
        if released:
            if (journal := journal_of(field.vault)) is not None:
                journal.record(RELEASED, {str(field): sorted(released)})
            if field.on_delete == "delete":
                doomed[field.vault, str(field)] |= released
    if doomed:
        release_after_commit(connections[using], doomed)


def _is_token(field: TokenizedField, cell: str) -> bool:
    """Whether it may be recorded: a column that is not tokenized yet holds plaintext."""
    from ..backends import vaults

    return bool(cell) and not is_erased(cell) and vaults[field.vault].is_token(cell)


# Updates


def note_replaced(compiler: Any) -> None:
    """Read what a statement is about to replace. Called for every value of it; the first call does it all."""
    if getattr(compiler, "altr_noted", False):
        return
    compiler.altr_noted = True
    if isinstance(compiler.query, UpdateQuery):
        _let_go(_replaced_by_update(compiler.query, compiler.connection), compiler.connection.alias)
    elif isinstance(compiler.query, InsertQuery):
        _let_go(_replaced_by_upsert(compiler.query, compiler.connection.alias), compiler.connection.alias)


def _is_tokenized(field: Any) -> bool:
    from ..fields import TokenizedField

    return isinstance(field, TokenizedField)


def _watched(fields: Iterable[Any]) -> list[TokenizedField]:
    return [field for field in fields if _is_tokenized(field) and is_watched(field)]


def _replaced_by_update(update: Any, connection: Any) -> dict[TokenizedField, set[str]]:
    stored = _stored(_watched(field for field, _, _ in update.values), update, connection)
    values = {field: value for field, _, value in update.values if field in stored}
    return {field: stored[field].difference(_tokens_in(value)) for field, value in values.items()}


def _stored(fields: list[TokenizedField], update: Any, connection: Any) -> dict[TokenizedField, set[str]]:
    query = update.chain(klass=Query)
    query.clear_ordering(force=True)
    query.clear_select_clause()
    query.add_fields([field.name for field in fields])
    rows = query.get_compiler(connection=connection).results_iter()
    stored: dict[TokenizedField, set[str]] = {field: set() for field in fields}
    for row in rows:
        for field, token in zip(fields, row, strict=True):
            if token:
                stored[field].add(str(token))
    return stored


def _tokens_in(value: Any) -> Iterator[str]:
    """Yield the tokens that an update writes as they are, such as those of fields that ``save()`` did not change."""
    if isinstance(value, Token):
        yield str(value)
    for part in value.flatten() if hasattr(value, "flatten") else ():
        token = part.token if isinstance(part, Pending) else getattr(part, "value", None)
        if isinstance(token, str):
            yield str(token)


def _replaced_by_upsert(insert: Any, using: str) -> dict[TokenizedField, set[str]]:
    """Return the tokens of the rows that have the unique fields of those to be inserted."""
    fields = _watched(insert.update_fields if insert.on_conflict == OnConflict.UPDATE else ())
    stored: dict[TokenizedField, set[str]] = {field: set() for field in fields}
    rows: QuerySet[Any] = QuerySet(insert.get_meta().model, using=using).order_by()
    columns = [f"{field.name}__token" for field in fields]
    for objs in batches(insert.objs if fields and insert.unique_fields else (), 100):
        same = reduce(or_, (_same_row(obj, insert.unique_fields) for obj in objs))
        for row in rows.filter(same).values_list(*columns):
            for field, token in zip(fields, row, strict=True):
                stored[field].add(token)
    return stored


def _same_row(obj: Model, unique_fields: Collection[Any]) -> Q:
    lookups = {f"{field.name}__token" if _is_tokenized(field) else field.attname: field for field in unique_fields}
    return Q(**{lookup: getattr(obj, field.attname) for lookup, field in lookups.items()})


# Deletions


def _watched_columns(model: type[Model]) -> list[TokenizedField]:
    return _watched(model._meta.concrete_model._meta.local_concrete_fields)  # type: ignore[union-attr]


def watch_deletions(model: type[Model]) -> None:
    """Connect to the model's deletions if it has watched fields. Django then sends no fast deletes for it."""
    connect = pre_delete.connect if _watched_columns(model) else pre_delete.disconnect
    connect(_note_deleted, sender=model, dispatch_uid="django_altr.lifecycle")


def _note_deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    fields = _watched_columns(sender)
    if any(_is_uncertain(instance, field) for field in fields):
        rows: QuerySet[Any] = QuerySet(sender, using=using).filter(pk=instance.pk)
        cells = rows.values_list(*(f"{field.name}__token" for field in fields)).first() or ()
    else:
        cells = tuple(instance.__dict__[field.attname] for field in fields)
    _let_go({field: [cell] for field, cell in zip(fields, cells, strict=False) if cell}, using)


def _is_uncertain(instance: Model, field: TokenizedField) -> bool:
    """Whether the instance may hold something else than its row: a deferred field, or one that was assigned to."""
    cell = instance.__dict__.get(field.attname, field)
    return getattr(instance._state, "altr_assigned", False) or not (cell is None or isinstance(cell, str))


def _watch_prepared(sender: type[Model], **kwargs: Any) -> None:
    watch_deletions(sender)


def _watch_again(*, setting: str, **kwargs: Any) -> None:
    if setting == "ALTR" and apps.models_ready:
        for model in apps.get_models(include_auto_created=True):
            watch_deletions(model)


class_prepared.connect(_watch_prepared, dispatch_uid="django_altr.lifecycle")
setting_changed.connect(_watch_again, dispatch_uid="django_altr.lifecycle")
