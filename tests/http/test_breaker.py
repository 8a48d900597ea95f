from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from django_altr.backends.chain import ChainBackend
from django_altr.exceptions import Forbidden, ServiceUnavailable, VaultConnectionError
from django_altr.http import CircuitBreaker
from django_altr.sandbox import Sandbox
from django_altr.signals import vault_state_changed
from tests.backends.conftest import MakeBackend


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(failures: int = 2) -> tuple[CircuitBreaker, Clock, list[str]]:
    clock, seen = Clock(), []
    return CircuitBreaker(failures, 5, on_change=seen.append, clock=clock), clock, seen


def test_opens_after_failures_in_a_row() -> None:
    breaker, _, seen = make()
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert (breaker.state, breaker.admit(), seen) == ("closed", 0, [])
    breaker.failed()
    assert (breaker.state, breaker.admit(), seen) == ("open", 5, ["open"])


def test_lets_one_probe_through_after_a_while() -> None:
    breaker, clock, _ = make()
    breaker.failed()
    breaker.failed()
    clock.now = 5
    assert breaker.state == "half-open"
    assert breaker.admit() == 0
    assert breaker.admit() == 5


def test_closes_when_the_probe_succeeds() -> None:
    breaker, clock, seen = make()
    breaker.failed()
    breaker.failed()
    clock.now = 5
    breaker.admit()
    breaker.succeeded()
    assert (breaker.state, breaker.admit(), seen) == ("closed", 0, ["open", "closed"])


def test_stays_open_when_the_probe_fails() -> None:
    breaker, clock, seen = make()
    breaker.failed()
    breaker.failed()
    clock.now = 6
    breaker.admit()
    breaker.failed()
    assert (breaker.state, breaker.admit(), seen) == ("open", 5, ["open"])


def test_can_be_turned_off() -> None:
    breaker, _, seen = make(failures=0)
    for _ in range(100):
        breaker.failed()
    assert (breaker.state, breaker.admit(), seen) == ("closed", 0, [])


@pytest.fixture
def states() -> Any:
    seen: list[tuple[Any, Any, Any]] = []

    def record(sender: Any, vault: str, state: str, **kwargs: Any) -> None:
        seen.append((sender, vault, state))

    vault_state_changed.connect(record)
    yield seen
    vault_state_changed.disconnect(record)


def test_a_failing_vault_is_left_alone_for_a_while(
    make_backend: MakeBackend, sandbox: Sandbox, states: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "django_altr")
    backend = make_backend("chain", retries=0, breaker_failures=3, breaker_reset=0.3)
    with sandbox.misbehave(status=503):
        for _ in range(3):
            with pytest.raises(ServiceUnavailable, match="503"):
                backend.tokenize_many(["a"])
        before = sandbox.count()
        with pytest.raises(ServiceUnavailable, match=r"circuit breaker .* open after 3 failures .* UTC"):
            backend.tokenize_many(["a"])
        assert sandbox.count() == before
    time.sleep(0.3)
    assert backend.tokenize_many(["a"])
    assert states == [(ChainBackend, "vault", "open"), (ChainBackend, "vault", "closed")]
    assert [record.getMessage() for record in caplog.records] == [
        "The vault 'vault' failed 3 times in a row: no request is sent for 0.3 seconds.",
        "The vault 'vault' answers again.",
    ]
    assert backend.breaker.state == "closed"  # type: ignore[attr-defined]


def test_a_lost_vault_opens_the_breaker_too(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", retries=0, breaker_failures=1)
    sandbox.misbehave(drop="before")
    with pytest.raises(VaultConnectionError):
        backend.tokenize_many(["a"])
    assert repr(backend.breaker) == "<CircuitBreaker open>"  # type: ignore[attr-defined]


def test_a_refusal_does_not_open_the_breaker(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", breaker_failures=1)
    sandbox.misbehave(status=403)
    for _ in range(2):
        with pytest.raises(Forbidden):
            backend.tokenize_many(["a"])
