"""For the tests of projects that use django-altr: an in-memory vault, counted reads, failures on demand.

::

    from django_altr.testing import assert_num_detokenizations, memory_vault

    def test_customer_list(client):
        with memory_vault(), assert_num_detokenizations(1):
            client.get("/customers/")

For pytest there are fixtures: put ``from django_altr.testing import altr_vault`` into ``conftest.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings
from django.test import override_settings

from .backends import DEFAULT_ALIAS, vaults
from .backends.locmem import LocMemBackend

__all__ = ["assert_num_detokenizations", "failing_vault", "memory_vault"]

_READS = frozenset({"detokenize", "partial detokenize", "GetBatch", "GetData"})


@contextmanager
def memory_vault(*aliases: str) -> Iterator[LocMemBackend]:
    """Put an empty in-memory vault in the place of the aliases (all of ``settings.ALTR`` if none is named).

    Gives the backend of the first alias. What was stored is gone in the end.
    """
    configured = dict(getattr(settings, "ALTR", None) or {DEFAULT_ALIAS: {}})
    aliases = aliases or tuple(configured)
    for alias in aliases:
        configured[alias] = {
            "BACKEND": "django_altr.backends.locmem.LocMemBackend",
            "LOCATION": f"django_altr.testing:{alias}",
        }
    with override_settings(ALTR=configured):
        backends = [cast(LocMemBackend, vaults[alias]) for alias in aliases]
        for backend in backends:
            backend.clear()
        try:
            yield backends[0]
        finally:
            for backend in backends:
                backend.clear()


@contextmanager
def assert_num_detokenizations(number: int, *, using: str = DEFAULT_ALIAS) -> Iterator[list[str]]:
    """Assert that the block makes this number of requests that read plaintext, of any thread.

    Works with every backend. Gives the list of the calls, by their documented names.
    """
    calls: list[str] = []

    def watch(call: str) -> None:
        if call in _READS:
            calls.append(call)

    backend = vaults[using]
    backend.watchers.append(watch)
    try:
        yield calls
    finally:
        backend.watchers.remove(watch)
    made = ", ".join(calls) or "none"
    assert len(calls) == number, f"{len(calls)} requests read plaintext, {number} expected: {made}."  # noqa: S101


@contextmanager
def failing_vault(
    error: BaseException | type[BaseException], *, times: int | None = None, using: str = DEFAULT_ALIAS
) -> Iterator[None]:
    """Let the next ``times`` calls of an in-memory vault raise ``error``, all of them if ``None``."""
    backend = vaults[using]
    if not isinstance(backend, LocMemBackend):
        raise TypeError("failing_vault() works with an in-memory vault: use memory_vault() around it.")
    backend.fail_with(error, times)
    try:
        yield
    finally:
        backend.fail_with(None)


def _fixture() -> Callable[..., Any] | None:
    try:
        import pytest
    except ImportError:
        return None

    @pytest.fixture
    @functools.wraps(memory_vault)
    def altr_vault() -> Iterator[LocMemBackend]:
        with memory_vault() as backend:
            yield backend

    return cast("Callable[..., Any]", altr_vault)


#: A pytest fixture: an empty in-memory vault for one test.
altr_vault = _fixture()
