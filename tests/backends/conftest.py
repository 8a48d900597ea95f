from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_altr.backends import import_backend
from django_altr.backends.base import BaseBackend
from django_altr.redact import Redacted
from django_altr.sandbox import Sandbox

MakeBackend = Callable[..., BaseBackend]


@pytest.fixture
def make_backend(sandbox: Sandbox) -> Iterator[MakeBackend]:
    """Make backends that talk to the sandbox: ``make_backend("chain", retries=0)``."""
    made: list[BaseBackend] = []

    def make(kind: str = "chain", *, key: Any = None, **options: Any) -> BaseBackend:
        params = sandbox.settings(kind, key=key, **{"backoff_factor": 0.01, **options})
        made.append(import_backend("vault", Redacted(params))("vault", params))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
