"""Which rows hold reference tokens: in every tokenized column of every model, on every database.

Rows are looked up without managers, so that none is hidden. Columns that are no ``TokenizedField`` are not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import OperationalError, ProgrammingError, connections, transaction
from django.db.models import QuerySet

from .journal import batches

if TYPE_CHECKING:
    from ..fields import TokenizedField

__all__ = ["Holder", "held", "holders", "tokenized_columns"]

#: Tokens in one query.
BATCH = 500


@dataclass(frozen=True)
class Holder:
    """A row that holds a token, in one of its fields."""

    field: TokenizedField
    using: str
    pk: Any
    token: str


def tokenized_columns(vault: str) -> list[TokenizedField]:
    """Return the fields of all models whose columns hold tokens of the vault, each column once."""
    from ..fields import TokenizedField

    return [
        field
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy
        for field in model._meta.local_concrete_fields
        if isinstance(field, TokenizedField) and field.vault == vault
    ]


def held(vault: str, tokens: Collection[str]) -> set[str]:
    """Return those of the tokens that a row holds. Raises if a table cannot be searched."""
    return {holder.token for holder in holders(vault, tokens)}


def holders(vault: str, tokens: Collection[str]) -> Iterator[Holder]:
    """Yield every row and field that holds one of the tokens."""
    if tokens:
        for using in connections:
            if connections[using].vendor != "unknown":  # "default" may be left empty
                yield from _on_database(vault, tokens, using)


def _on_database(vault: str, tokens: Collection[str], using: str) -> Iterator[Holder]:
    tables = _tables(using)
    for field in tokenized_columns(vault):
        if field.model._meta.db_table in tables:
            yield from _in_column(field, tokens, using)
        else:
            yield from _in_column_that_may_not_exist(field, tokens, using)


def _tables(using: str) -> set[str]:
    with connections[using].cursor() as cursor:
        return set(connections[using].introspection.table_names(cursor, include_views=True))


def _in_column(field: TokenizedField, tokens: Collection[str], using: str) -> Iterator[Holder]:
    rows: QuerySet[Any] = QuerySet(field.model, using=using).order_by()
    wanted = set(map(str.__str__, tokens))
    for batch in batches(sorted(wanted), BATCH):
        found = rows.filter(**{f"{field.name}__token__in": batch}).values_list("pk", f"{field.name}__token")
        for pk, token in found.iterator():
            if token in wanted:  # a collation may be more generous
                yield Holder(field, using, pk, token)


def _in_column_that_may_not_exist(field: TokenizedField, tokens: Collection[str], using: str) -> list[Holder]:
    """A model's table may be on another database, or under a name that introspection does not show."""
    try:
        with transaction.atomic(using=using):
            return list(_in_column(field, tokens, using))
    except (ProgrammingError, OperationalError):
        return []
