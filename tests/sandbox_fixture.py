"""The ``sandbox`` fixture: a real vault server in a thread, and ``spawn_sandbox``: one in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_altr.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Iterator[Sandbox]:
    """Give a sandbox that holds no values, counts from zero and behaves."""
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.reset()
