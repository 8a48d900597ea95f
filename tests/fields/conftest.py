from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, models

from django_altr import vaults


class Vault:
    """The in-memory vault of a test, and what it was asked since the last look."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def _asked(self, operation: str) -> list[int]:
        calls = [count for name, count in self.backend.calls if name == operation]
        return calls

    @property
    def reads(self) -> list[int]:
        return self._asked("detokenize")

    @property
    def writes(self) -> list[int]:
        return self._asked("tokenize")

    def forget(self) -> None:
        self.backend.calls.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


@pytest.fixture
def vault(db: None) -> Any:
    backend = vaults["default"]
    backend.clear()
    backend.calls.clear()
    yield Vault(backend)
    backend.clear()


def column(model: type[models.Model], name: str) -> list[Any]:
    """The raw values of a column, as the database holds them."""
    quote = connection.ops.quote_name
    field = model._meta.get_field(name)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {quote(field.column)} FROM {quote(field.model._meta.db_table)} "
            f"ORDER BY {quote(field.model._meta.pk.column)}"
        )
        return [row[0] for row in cursor.fetchall()]
