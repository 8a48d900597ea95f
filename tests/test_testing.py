"""The kit for users' tests."""

from __future__ import annotations

import pytest

from django_altr import vaults
from django_altr.exceptions import ServiceUnavailable
from django_altr.testing import altr_vault, assert_num_detokenizations, failing_vault, memory_vault
from tests.models import Bare

__all__ = ["altr_vault"]

pytestmark = pytest.mark.django_db


def test_memory_vault_takes_the_place_of_every_vault(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings(), "other": sandbox.settings()}
    with memory_vault() as vault:
        assert vaults["default"] is vault
        Bare.objects.create(value="x")
        assert Bare.objects.get().value == "x"
    assert sandbox.requests == []


def test_memory_vault_is_empty_again():
    with memory_vault() as vault:
        (token,) = vault.tokenize_many(["x"])
    with memory_vault() as vault:
        assert vault.find_many([token]) == {}


def test_memory_vault_leaves_other_vaults_alone(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings(), "other": sandbox.settings()}
    with memory_vault("other") as vault:
        assert vaults["other"] is vault
        assert vaults["default"] is not vault


def test_fixture_gives_a_vault(altr_vault):
    Bare.objects.create(value="x")
    assert altr_vault.calls == [("tokenize", 1)]


def test_detokenizations_are_counted():
    with memory_vault():
        Bare.objects.bulk_create([Bare(value=str(number)) for number in range(3)])
        with assert_num_detokenizations(1):
            assert [bare.value for bare in Bare.objects.order_by("pk")] == ["0", "1", "2"]


def test_detokenizations_are_counted_with_any_backend(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings()}
    Bare.objects.bulk_create([Bare(value=str(number)) for number in range(1100)])
    with assert_num_detokenizations(2) as calls:
        assert len([bare.value for bare in Bare.objects.all()]) == 1100
    assert calls == ["GetBatch", "GetBatch"]


def test_wrong_number_is_told():
    with (
        memory_vault() as vault,
        pytest.raises(AssertionError, match="1 requests read plaintext, 0 expected: detokenize"),
        assert_num_detokenizations(0),
    ):
        vault.find_many(["x"])


def test_failures_are_injected():
    with memory_vault(), failing_vault(ServiceUnavailable("down"), times=1):
        with pytest.raises(ServiceUnavailable):
            Bare.objects.create(value="x")
        Bare.objects.create(value="y")


def test_failures_need_an_in_memory_vault(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings()}
    with pytest.raises(TypeError, match="memory_vault"), failing_vault(ServiceUnavailable("down")):
        pass
