from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_altr import vaults
from django_altr.lifecycle.journal import Journal, journal_of

LOCMEM = "django_altr.backends.locmem.LocMemBackend"


class Vault:
    """An in-memory vault, and what it holds."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def backend(self) -> Any:
        return vaults[self.alias]

    def holds(self, *tokens: str) -> bool:
        """Whether the vault holds all of these tokens."""
        return len(self.backend.find_many(tokens)) == len(set(tokens))

    def holds_any(self, *tokens: str) -> bool:
        return bool(self.backend.find_many(tokens))

    @property
    def deletions(self) -> list[int]:
        return [count for name, count in self.backend.calls if name == "delete"]

    def forget(self) -> None:
        self.backend.calls.clear()


@pytest.fixture
def vault() -> Iterator[Vault]:
    for alias in vaults:
        vaults[alias].clear()
    yield Vault("default")
    for alias in vaults:
        vaults[alias].clear()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Turn the journal of the default vault on, with a vault that holds nothing."""
    configured = {
        "default": {"BACKEND": LOCMEM, "LOCATION": "journaled", "OPTIONS": {"journal": str(tmp_path / "journal")}},
        "second": {"BACKEND": LOCMEM},
    }
    with override_settings(ALTR=configured):
        vaults["default"].clear()
        yield journal_of("default")
