from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from django_altr.sandbox import Key, Sandbox

from .client import Client


@pytest.fixture
def client_of(sandbox: Sandbox) -> Iterator[Callable[..., Client]]:
    """Make clients of the sandbox, each with a key of its own rights."""
    clients: list[Client] = []

    def make(*rights: str) -> Client:
        key = sandbox.add_key(Key("-".join(rights) or "none", "other secret", frozenset(rights)))
        clients.append(Client(sandbox.url, key))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    made = Client(sandbox.url)
    yield made
    made.close()
