"""Two canaries, a plaintext and an API secret, and what was found of them where: the table of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_altr import vaults
from django_altr.sandbox import Key, Sandbox

from .canary import Canary
from .table import SINKS, write_table

PLAINTEXT = Canary("qZ7Plaintext4711vX")
SECRET = Canary("yK3Secret0815wQ", "-Geheim%&+/=")

LeakFree = Callable[..., None]
_FOUND = pytest.StashKey[dict[str, dict[str, list[str]]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--leaks-table", type=Path, help="write what was found, as a Markdown table")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FOUND] = {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := session.config.getoption("--leaks-table", default=None):
        write_table(path, session.config.stash[_FOUND])


@pytest.fixture
def plaintext() -> Canary:
    return PLAINTEXT


@pytest.fixture
def secret() -> Canary:
    return SECRET


@pytest.fixture
def bird_vault(sandbox: Sandbox, settings: Any) -> Iterator[Sandbox]:
    """A real vault behind HTTP, whose key has the canary secret."""
    key = sandbox.add_key(Key("canary-key", SECRET.text))
    settings.ALTR = {"default": sandbox.settings(key=key, timeout=2, retries=1, backoff_factor=0.01)}
    yield sandbox
    vaults.reset()


@pytest.fixture
def leak_free(request: pytest.FixtureRequest) -> LeakFree:
    """Assert that a sink of ``table.SINKS`` holds no canary, and remember it for the table."""

    def check(sink: str, *contents: bytes | str) -> None:
        assert sink in SINKS, f"{sink!r} is missing in the table of sinks."
        assert any(contents), f"{sink!r} is empty: nothing was searched."
        found = request.config.stash[_FOUND].setdefault(sink, {"plaintext": [], "secret": []})
        for name, bird in (("plaintext", PLAINTEXT), ("secret", SECRET)):
            found[name] += [encoding for content in contents for encoding in bird.found_in(content)]
        assert found == {"plaintext": [], "secret": []}

    return check
