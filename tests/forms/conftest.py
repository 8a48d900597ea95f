from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_altr import vaults
from django_altr.backends.locmem import LocMemBackend


@pytest.fixture
def vault(db: None) -> Iterator[LocMemBackend]:
    backend = vaults["default"]
    assert isinstance(backend, LocMemBackend)
    backend.clear()
    yield backend
    backend.clear()
