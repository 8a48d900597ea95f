from __future__ import annotations

import time

import pytest

from django_altr.backends.base import BaseBackend
from django_altr.exceptions import InvalidResponse, RateLimited
from django_altr.sandbox import Sandbox

from .conftest import MakeBackend
from .contract import BackendContract


@pytest.fixture(params=["vaulted", "critical"])
def backend(request: pytest.FixtureRequest, make_backend: MakeBackend) -> BaseBackend:
    return make_backend(request.param, rate_limit=None)


class TestTokenizationBackends(BackendContract):
    pass


def test_reads_unknown_tokens_with_a_second_request(backend: BaseBackend, sandbox: Sandbox) -> None:
    [token] = backend.tokenize_many(["a"])
    assert backend.find_many([token, "still plaintext"]) == {token: "a"}
    assert [record.route.rpartition("/batch")[2] for record in sandbox.requests] == ["", "", "/partial"]


def test_reads_known_tokens_with_one_request(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many(["a"] * backend.max_values)
    backend.find_many(tokens)
    assert sandbox.count() == 2


def test_splits_what_the_service_calls_too_large(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(status=413, times=1)
    tokens = backend.tokenize_many(["a", "b", "c"])
    sandbox.misbehave(status=413, times=1)
    assert list(backend.find_many(tokens).values()) == ["a", "b", "c"]
    sandbox.misbehave(status=413, times=1)
    backend.delete_many(tokens)
    assert backend.find_many(tokens) == {}


def test_a_refused_deletion_is_no_success(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many(["a"])
    route = "PUT " + sandbox.requests[0].route + "/delete"
    with sandbox.misbehave(route=route, status=400), pytest.raises(InvalidResponse, match="still knows"):
        backend.delete_many(tokens)
    with sandbox.misbehave(route=route, body='{"success": false}'), pytest.raises(InvalidResponse, match="no success"):
        backend.delete_many(tokens)


def test_keeps_within_its_rate_limit(make_backend: MakeBackend) -> None:
    backend = make_backend("critical", rate_limit=50)
    started = time.monotonic()
    for _ in range(6):
        backend.tokenize_many(["a"])
    assert time.monotonic() - started >= 5 / 50


def test_limits_the_rate_to_50_a_second_unless_told_otherwise(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("vaulted")
    started = time.monotonic()
    tokens = [backend.tokenize_many(["a"])[0] for _ in range(6)]
    assert time.monotonic() - started >= 5 / 50
    assert len(tokens) == 6


def test_refuses_what_the_rate_limit_would_delay_beyond_the_time_budget(make_backend: MakeBackend) -> None:
    backend = make_backend("critical", rate_limit=0.5, timeout=1)
    backend.tokenize_many(["a"])
    with pytest.raises(RateLimited, match="rate_limit"):
        backend.tokenize_many(["a"])
