"""Every way to read and to write; each operation says what it gave or raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, models

from tests.models import Account, Bare, Person

__all__ = ["READS", "WRITES", "stored", "token_of"]


def save(row: models.Model, value: str) -> None:
    row = type(row)._default_manager.get(pk=row.pk)
    setattr(row, name_of(row), value)
    row.save()


def bulk_update(row: models.Model, value: str) -> None:
    row = type(row)._default_manager.get(pk=row.pk)
    setattr(row, name_of(row), value)
    type(row)._default_manager.bulk_update([row], [name_of(row)])


def update(row: models.Model, value: str) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**{name_of(row): value})


def bulk_create(row: models.Model, value: str) -> None:
    target = {} if connection.vendor == "mysql" else {"unique_fields": ["pk"]}
    type(row)._default_manager.bulk_create(
        [type(row)(pk=row.pk, **{name_of(row): value})],
        update_conflicts=True, update_fields=[name_of(row)], **target,
    )  # fmt: skip


def lazily(row: models.Model) -> Any:
    row = type(row)._default_manager.get(pk=row.pk)
    return getattr(row, name_of(row))


def prefetched(row: models.Model) -> Any:
    return getattr(type(row)._default_manager.prefetch_related(name_of(row)).get(pk=row.pk), name_of(row))


def by_values(row: models.Model) -> Any:
    return type(row)._default_manager.filter(pk=row.pk).values_list(name_of(row), flat=True).get()()


READS: list[Callable[[models.Model], Any]] = [lazily, prefetched, by_values]
WRITES: list[Callable[[models.Model, str], None]] = [save, bulk_update, update, bulk_create]


def name_of(row: models.Model) -> str:
    """The tokenized field: with metadata (PutData), without (PostBatch), deterministic."""
    return {Person: "name", Bare: "value", Account: "iban"}[type(row)]


def token_of(row: models.Model) -> str:
    return str(type(row)._default_manager.values_list(f"{name_of(row)}__token", flat=True).get(pk=row.pk))


def stored(row: models.Model) -> Any:
    return lazily(row)
