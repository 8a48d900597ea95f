"""One time budget for an operation, also where a batch has to be asked for again in parts."""

from __future__ import annotations

import time

import pytest

from django_altr import vaults
from django_altr.exceptions import VaultTimeout
from django_altr.http import Budget

#: Seconds that a busy machine may add.
SLACK = 1.0


@pytest.fixture
def vault(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings(timeout=1.0, retries=0)}
    return vaults["default"]


def test_halves_of_a_refused_batch_share_its_budget(vault, sandbox):
    tokens = vault.tokenize_many([str(number) for number in range(64)])
    started = time.monotonic()
    with sandbox.misbehave(status=509, latency=0.3), pytest.raises(VaultTimeout):
        vault.find_many(tokens)
    # Seven halvings of 0.3 seconds each, if every one had a budget of its own.
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize(("requests", "rounds"), [(1, 1), (4, 1), (5, 2), (9, 3)])
def test_an_operation_has_the_budget_once_for_each_round_of_its_requests(requests, rounds):
    assert Budget(10).of_operation(requests, width=4) == 10 * rounds


def test_a_request_cannot_outlive_its_operation(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings(operation_timeout=0.5)}
    started = time.monotonic()
    with sandbox.misbehave(latency=5), pytest.raises(VaultTimeout, match="0.5 seconds.*'operation_timeout'"):
        vaults["default"].tokenize_many(["a"])
    assert time.monotonic() - started < 0.5 + SLACK


def test_an_operation_that_makes_progress_too_slowly_ends_with_its_own_budget(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings(operation_timeout=1.0, max_workers=2)}
    values = [str(number) for number in range(20)]
    started = time.monotonic()
    with sandbox.misbehave(latency=0.3), pytest.raises(VaultTimeout, match="'operation_timeout'") as raised:
        vaults["default"].tokenize_many(values, metadata="label")
    assert time.monotonic() - started < 1.0 + SLACK
    # What was stored before is told, so that nothing is lost from sight.
    assert 0 < len(raised.value.stored_tokens) < 20


def test_what_is_late_is_not_held_against_the_vault(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings(operation_timeout=0.5, max_workers=1, breaker_failures=1)}
    vault = vaults["default"]
    calls = iter(range(100))

    def late(call: str) -> None:
        if next(calls):
            time.sleep(0.5)

    vault.watchers.append(late)
    with pytest.raises(VaultTimeout, match="was not sent"):
        vault.tokenize_many(["a", "b"], metadata="label")
    assert vault.breaker.state == "closed"


def test_further_batches_have_budgets_of_their_own(vault, sandbox):
    values = [str(number) for number in range(40)]
    with sandbox.misbehave(latency=0.4):
        tokens = vault.tokenize_many(values, metadata="label")
    assert len(tokens) == 40


def test_large_values_have_budgets_of_their_own(vault, sandbox):
    tokens = vault.tokenize_many(["x" * 4000] * 40)
    with sandbox.misbehave(latency=0.4):
        assert len(vault.find_many(tokens)) == 40
