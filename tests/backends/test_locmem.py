from __future__ import annotations

import os

import pytest

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import ServiceUnavailable

from .contract import BackendContract


@pytest.fixture
def backend() -> LocMemBackend:
    backend = LocMemBackend("vault", {"LOCATION": "tests of locmem"})
    backend.clear()
    return backend


class TestLocMemBackend(BackendContract):
    pass


def test_vaults_of_one_location_share_values(backend: LocMemBackend) -> None:
    [token] = backend.tokenize_many(["a"])
    assert LocMemBackend("other", {"LOCATION": "tests of locmem"}).find_many([token]) == {token: "a"}
    assert LocMemBackend("other", {"LOCATION": "elsewhere"}).find_many([token]) == {}


def test_counts_full_batches_as_a_network_backend_would(backend: LocMemBackend) -> None:
    tokens = backend.tokenize_many(["a"] * 1025)
    backend.calls.clear()
    backend.find_many(tokens)
    assert backend.calls == [("detokenize", 1024), ("detokenize", 1)]


def test_fails_as_often_as_told(backend: LocMemBackend) -> None:
    backend.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable):
        backend.tokenize_many(["a"])
    assert backend.tokenize_many(["a"])


def test_fails_until_it_is_told_to_stop(backend: LocMemBackend) -> None:
    [token] = backend.tokenize_many(["a"])
    backend.fail_with(ServiceUnavailable)
    for _ in range(3):
        with pytest.raises(ServiceUnavailable):
            backend.find_many([token])
    backend.fail_with(None)
    assert backend.find_many([token]) == {token: "a"}


def test_clear_forgets_everything(backend: LocMemBackend) -> None:
    tokens = backend.tokenize_many(["a"], metadata="x")
    backend.clear()
    assert backend.find_many(tokens) == {}
    assert backend.calls == [("detokenize", 1)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_reads_what_the_parent_stored(backend: LocMemBackend) -> None:
    tokens = backend.tokenize_many(["a"])
    backend.after_fork()
    assert backend.find_many(tokens)
