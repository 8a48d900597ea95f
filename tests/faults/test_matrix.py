"""Fault x operation: the right value or a typed error, the row unchanged or new, in time; and a later retry works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import models, transaction

from django_altr import exceptions as errors
from django_altr import vaults
from django_altr.sandbox import Sandbox
from tests.models import Account, Bare, Person

from .operations import READS, WRITES, stored, token_of
from .proxy import FAULTS, FaultyProxy

pytestmark = pytest.mark.django_db

BUDGET = 0.6
HTML = {"Content-Type": "text/html"}

#: What the vault does -> what an operation may raise; it may also succeed, if what it gives is right.
VAULT_FAULTS: dict[str, tuple[dict[str, Any], tuple[type[Exception], ...]]] = {
    "400": ({"status": 400}, (errors.BadRequest,)),
    "401": ({"status": 401}, (errors.Unauthorized,)),
    "403": ({"status": 403}, (errors.Forbidden,)),
    "404 of a proxy": ({"status": 404, "body": "<html>", "headers": HTML}, (errors.InvalidResponse,)),
    "429": ({"status": 429}, (errors.RateLimited,)),
    "429 for an hour": ({"status": 429, "headers": {"Retry-After": "3600"}}, (errors.RateLimited,)),
    "500": ({"status": 500}, (errors.ServiceUnavailable,)),
    "502 in HTML": ({"status": 502, "body": "<html>", "headers": HTML}, (errors.ServiceUnavailable,)),
    "503": ({"status": 503}, (errors.ServiceUnavailable,)),
    "504": ({"status": 504}, (errors.ServiceUnavailable,)),
    "509": ({"status": 509}, (errors.BatchTooLarge,)),
    "dropped before": ({"drop": "before"}, (errors.VaultConnectionError,)),
    "answer lost": ({"drop": "lost"}, (errors.VaultConnectionError,)),
    "dropped in the answer": ({"drop": "middle"}, (errors.VaultConnectionError,)),
    "dropped after the answer": ({"drop": "after"}, ()),
    "slow": ({"latency": 3}, (errors.VaultTimeout,)),
    "drip": ({"drip": 0.1}, (errors.VaultTimeout,)),
    "wrong hash": ({"corrupt": "hash"}, (errors.InvalidResponse,)),
    "half a JSON": ({"corrupt": "half"}, (errors.InvalidResponse,)),
    "null without the flag": ({"corrupt": "null"}, (errors.InvalidResponse,)),
    "missing key": ({"corrupt": "missing"}, (errors.InvalidResponse,)),
    "extra key": ({"corrupt": "extra"}, (errors.InvalidResponse,)),
    "number": ({"corrupt": "number"}, (errors.InvalidResponse,)),
    "list": ({"corrupt": "list"}, (errors.InvalidResponse,)),
    "empty": ({"corrupt": "empty"}, (errors.InvalidResponse,)),
    "200 in HTML": ({"corrupt": "html"}, (errors.InvalidResponse,)),
}
NETWORK_ERRORS = (
    errors.VaultConnectionError, errors.VaultTimeout, errors.InvalidResponse, errors.ServiceUnavailable,
    errors.BadRequest,
)  # fmt: skip


def options(sandbox: Sandbox) -> dict[str, Any]:
    return sandbox.settings(timeout=BUDGET, retries=1, backoff_factor=0.01, breaker_failures=0)


@pytest.fixture(scope="module")
def proxy(sandbox_server: Sandbox) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(sandbox_server.url)
    yield proxy
    proxy.close()


@pytest.fixture(
    params=[Person, Bare, pytest.param(Account, marks=pytest.mark.slow)], ids=["PutData", "PostBatch", "deterministic"]
)
def row(request: pytest.FixtureRequest, sandbox: Sandbox, settings: Any) -> Iterator[models.Model]:
    settings.ALTR = {"default": options(sandbox)}
    name = {Person: "name", Bare: "value", Account: "iban"}[request.param]
    yield request.param.objects.create(**{name: "the old value"})
    vaults.reset()


def check(row: models.Model, fault: AbstractContextManager[Any], allowed: tuple[type[Exception], ...]) -> None:
    for read in READS:
        with fault_of(fault):
            value = in_time(allowed, read, row)
        assert value in (None, "the old value")
        assert read(row) == "the old value"
    before, old = token_of(row), "the old value"
    for number, write in enumerate(WRITES):
        new = f"new value {number}"
        with fault_of(fault):
            failed = in_time(allowed, lambda: write(row, new) or "done") is None  # noqa: B023
        assert (token_of(row) == before) is failed
        assert stored(row) == (old if failed else new)
        write(row, new)
        assert stored(row) == new
        before, old = token_of(row), new


def fault_of(fault: Any) -> AbstractContextManager[Any]:
    context: AbstractContextManager[Any] = fault()
    return context


def in_time(allowed: tuple[type[Exception], ...], call: Any, *args: Any) -> Any:
    """Return what the call gives, ``None`` if it raises an allowed error."""
    started = time.monotonic()
    try:
        with transaction.atomic():  # the test's own transaction goes on
            return call(*args)
    except allowed as error:
        assert isinstance(error, errors.AltrError)
        assert error.__cause__ is None
    finally:
        assert time.monotonic() - started < BUDGET + 0.6
    return None


@pytest.mark.parametrize("fault", VAULT_FAULTS)
def test_vault_that_fails(row: models.Model, sandbox: Sandbox, fault: str) -> None:
    behaviour, allowed = VAULT_FAULTS[fault]
    check(row, lambda: sandbox.misbehave(**behaviour), allowed)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
def test_network_that_fails(row: models.Model, sandbox: Sandbox, settings: Any, proxy: FaultyProxy, fault: str) -> None:
    settings.ALTR = {"default": {**options(sandbox), "LOCATION": proxy.url}}
    check(row, lambda: proxy.breaks(fault), NETWORK_ERRORS)  # type: ignore[arg-type]


def test_vault_that_is_down(row: models.Model, sandbox: Sandbox) -> None:
    class Down:
        def __enter__(self) -> None:
            sandbox.stop()

        def __exit__(self, *args: object) -> None:
            sandbox.start()

    check(row, Down, (errors.VaultConnectionError,))  # type: ignore[arg-type]


def test_vault_without_tls(row: models.Model, sandbox: Sandbox, settings: Any) -> None:
    class NoTls:
        def __enter__(self) -> None:
            https = sandbox.url.replace("http:", "https:")
            settings.ALTR = {"default": {**options(sandbox), "LOCATION": https}}

        def __exit__(self, *args: object) -> None:
            settings.ALTR = {"default": options(sandbox)}

    check(row, NoTls, (errors.VaultConnectionError,))  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["503", "answer lost", "half a JSON", "slow"])
def test_lookup_finds_the_row_or_says_why_not(sandbox: Sandbox, settings: Any, fault: str) -> None:
    settings.ALTR = {"default": options(sandbox)}
    account = Account.objects.create(iban="DE1")
    behaviour, allowed = VAULT_FAULTS[fault]
    with sandbox.misbehave(**behaviour):
        assert in_time(allowed, Account.objects.filter(iban="DE1").get) is None
        assert in_time(allowed, Account.objects.filter(iban__in=["DE1", "DE2"]).get) is None
    assert Account.objects.get(iban="DE1") == account
    assert Account.objects.count() == 1
    vaults.reset()


def test_one_of_many_batches_fails(sandbox: Sandbox, settings: Any) -> None:
    settings.ALTR = {"default": options(sandbox)}
    rows = Bare.objects.bulk_create([Bare(value=f"value {number}", number=number) for number in range(2100)])
    with sandbox.misbehave(status=503, skip=1), pytest.raises(errors.ServiceUnavailable):
        list(Bare.objects.prefetch_related("value"))
    with (
        sandbox.misbehave(status=503, route="POST", skip=1),
        pytest.raises(errors.ServiceUnavailable),
        transaction.atomic(),
    ):
        Bare.objects.bulk_create([Bare(value=f"more {number}") for number in range(2100)])
    assert Bare.objects.count() == len(rows)
    read = Bare.objects.prefetch_related("value")
    assert {each.number: each.value for each in read} == {number: f"value {number}" for number in range(2100)}
    vaults.reset()
