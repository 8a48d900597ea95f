"""One time budget for an operation, also where a batch has to be asked for again in parts."""

from __future__ import annotations

import time

import pytest

from django_altr import vaults
from django_altr.exceptions import VaultTimeout


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


def test_further_batches_have_budgets_of_their_own(vault, sandbox):
    values = [str(number) for number in range(40)]
    with sandbox.misbehave(latency=0.4):
        tokens = vault.tokenize_many(values, metadata="label")
    assert len(tokens) == 40


def test_large_values_have_budgets_of_their_own(vault, sandbox):
    tokens = vault.tokenize_many(["x" * 4000] * 40)
    with sandbox.misbehave(latency=0.4):
        assert len(vault.find_many(tokens)) == 40
