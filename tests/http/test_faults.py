"""All that can go wrong between us and a vault: the right value or a typed error, in time, without plaintext."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from django_altr import exceptions as errors
from django_altr.backends.base import BaseBackend
from django_altr.backends.chain import ChainBackend
from django_altr.http import utcnow
from django_altr.sandbox import Key, Sandbox
from tests.backends.conftest import MakeBackend

from .leaks import leaks_of

CANARY = "Canary Ä-4711"
BATCH = "/api/v1/batch"
BUDGET = 1.0


@pytest.fixture
def backend(make_backend: MakeBackend) -> BaseBackend:
    return make_backend("chain", timeout=BUDGET, breaker_failures=0)


def fails(call: Callable[[], object], expected: type[BaseException], match: str | None = None) -> BaseException:
    """Assert that the call fails as expected, in time, and shows no plaintext and no secret."""
    started = time.monotonic()
    with pytest.raises(expected, match=match) as caught:
        call()
    assert time.monotonic() - started < BUDGET + 0.5
    assert leaks_of(caught.value, CANARY) == []
    assert leaks_of(caught.value, "sandbox-secret") == []
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


def check_all_calls(
    backend: BaseBackend,
    sandbox: Sandbox,
    fault: dict[str, Any],
    expected: type[BaseException],
    match: str | None = None,
) -> None:
    [token] = backend.tokenize_many([CANARY])
    with sandbox.misbehave(**fault):
        fails(lambda: backend.find_many([token]), expected, match)
        fails(lambda: backend.tokenize_many([CANARY]), expected, match)
        fails(lambda: backend.tokenize_many([CANARY], metadata="label"), expected, match)
        fails(lambda: backend.metadata(token), expected, match)
    assert backend.find_many([token]) == {token: CANARY}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, errors.InvalidResponse),
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (405, errors.BadRequest),
        (429, errors.RateLimited),
        (500, errors.ServiceUnavailable),
        (501, errors.ServiceUnavailable),
        (502, errors.ServiceUnavailable),
        (503, errors.ServiceUnavailable),
        (504, errors.ServiceUnavailable),
        (509, errors.BatchTooLarge),
    ],
)
@pytest.mark.parametrize("body", ["<html>Sorry</html>", None, "", f'{{"error_message": "{CANARY}"}}', "[1]"])
def test_every_status_has_its_error(
    backend: BaseBackend, sandbox: Sandbox, status: int, expected: type[BaseException], body: str | None
) -> None:
    fault = {"status": status, "body": body, "headers": {"Location": "http://127.0.0.1:9/"} if status == 301 else {}}
    if status == 509:
        # A single value that is too large for a batch is read and written alone.
        with sandbox.misbehave(**fault):
            fails(lambda: backend.tokenize_many([CANARY]), expected)
            fails(lambda: backend.find_many(["chain_" + "0" * 64]), expected)
    else:
        check_all_calls(backend, sandbox, fault, expected, f"'vault' answered .* {status}")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(backend: BaseBackend, sandbox: Sandbox, status: int) -> None:
    sandbox.misbehave(status=status, times=2)
    [token] = backend.tokenize_many([CANARY])
    sandbox.misbehave(status=status, times=3)
    assert backend.find_many([token]) == {token: CANARY}


@pytest.mark.parametrize("status", [400, 401, 403, 501])
def test_what_trying_again_cannot_mend_is_sent_once(backend: BaseBackend, sandbox: Sandbox, status: int) -> None:
    sandbox.misbehave(status=status)
    fails(lambda: backend.tokenize_many([CANARY]), errors.AltrError)
    assert sandbox.count() == 1


def test_tries_as_often_as_configured(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(status=503)
    for retries in (0, 2):
        before = sandbox.count()
        fails(lambda: make_backend("chain", retries=retries).tokenize_many([CANARY]), errors.ServiceUnavailable)  # noqa: B023
        assert sandbox.count() - before == retries + 1


@pytest.mark.parametrize("drop", ["before", "lost", "middle"])
def test_a_dropped_connection_is_tried_again(backend: BaseBackend, sandbox: Sandbox, drop: str) -> None:
    sandbox.misbehave(drop=drop, times=1)
    [token] = backend.tokenize_many([CANARY])
    sandbox.misbehave(drop=drop, times=1)
    assert backend.find_many([token]) == {token: CANARY}


@pytest.mark.parametrize("drop", ["before", "lost", "middle"])
def test_connections_that_go_on_being_dropped(backend: BaseBackend, sandbox: Sandbox, drop: str) -> None:
    check_all_calls(backend, sandbox, {"drop": drop}, errors.VaultConnectionError, "could not be reached")


def test_a_connection_dropped_after_the_answer_harms_nothing(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(drop="after")
    for _ in range(3):
        [token] = backend.tokenize_many([CANARY])
        assert backend.find_many([token]) == {token: CANARY}


@pytest.mark.parametrize("corrupt", ["half", "missing", "extra", "number", "null", "list", "empty", "html"])
def test_a_wrong_answer_gives_no_value(backend: BaseBackend, sandbox: Sandbox, corrupt: str) -> None:
    tokens = backend.tokenize_many([CANARY, f"{CANARY} 2"])
    with sandbox.misbehave(corrupt=corrupt):
        fails(lambda: backend.find_many(tokens), errors.InvalidResponse, "GetBatch")
        fails(lambda: backend.tokenize_many([CANARY]), errors.InvalidResponse, "PostBatch")
    assert backend.find_many(tokens) == {tokens[0]: CANARY, tokens[1]: f"{CANARY} 2"}


@pytest.mark.parametrize(
    "body",
    [
        '{"0": {"a": "Canary Ä-4711"}}',
        '{"0": ["Canary Ä-4711"]}',
        '{"0": true}',
        '"Canary Ä-4711"',
        "[" * 100_000,
        b"\xff\xfe",
        b'{"0": "\xed\xa0\x80"}',  # a lone surrogate as such, ...
        b'{"0": "\\ud800"}',  # ... and as JSON can spell it
        '{"0": "Canary Ä-4711"}'.encode("utf-16"),
    ],
)
def test_a_hostile_answer_gives_no_value(backend: BaseBackend, sandbox: Sandbox, body: str | bytes) -> None:
    [token] = backend.tokenize_many([CANARY])
    sandbox.misbehave(body=body)
    fails(lambda: backend.find_many([token]), errors.InvalidResponse)


def test_a_slow_answer_ends_in_time(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(latency=2 * BUDGET, times=1)
    error = fails(lambda: backend.tokenize_many([CANARY]), errors.VaultTimeout, "time budget: 1 seconds")
    assert isinstance(error, requests.Timeout)


@pytest.mark.parametrize("drip", [0.05, 0.6])
def test_an_answer_that_drips_ends_in_time(backend: BaseBackend, sandbox: Sandbox, drip: float) -> None:
    [token] = backend.tokenize_many([CANARY * 100])
    sandbox.misbehave(drip=drip, times=1)
    fails(lambda: backend.find_many([token]), errors.VaultTimeout)


def test_a_refused_connection_says_so(backend: BaseBackend, sandbox: Sandbox) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        params = {**sandbox.settings(), "LOCATION": f"http://127.0.0.1:{free.getsockname()[1]}"}
        backend = ChainBackend("vault", params)
        error = fails(lambda: backend.tokenize_many([CANARY]), errors.VaultConnectionError, "ECONNREFUSED")
    assert isinstance(error, requests.ConnectionError)


def test_a_host_that_swallows_packets_ends_in_time(sandbox: Sandbox) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        params = {
            **sandbox.settings(timeout=BUDGET, connect_timeout=0.3, retries=1),
            "LOCATION": f"http://127.0.0.1:{full.getsockname()[1]}",
        }
        fails(lambda: ChainBackend("vault", params).tokenize_many([CANARY]), errors.VaultTimeout)


def test_an_unknown_host_says_so(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    backend = ChainBackend("vault", {**sandbox.settings(), "LOCATION": "https://vault.invalid"})
    fails(lambda: backend.tokenize_many([CANARY]), errors.VaultConnectionError, "cannot be resolved")


def test_a_name_server_that_does_not_answer_ends_in_time(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(2 * BUDGET) or [])
    options = {"timeout": BUDGET, "connect_timeout": 0.3, "retries": 0}
    backend = ChainBackend("vault", {**sandbox.settings(**options), "LOCATION": "https://vault.invalid"})
    fails(lambda: backend.tokenize_many([CANARY]), errors.VaultTimeout)


def test_a_connection_that_comes_too_late_is_closed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(2)

        def slow(*args: Any, **kwargs: Any) -> Any:
            time.sleep(0.4)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())]

        monkeypatch.setattr(socket, "getaddrinfo", slow)
        options = {"timeout": BUDGET, "connect_timeout": 0.1, "retries": 0}
        backend = ChainBackend("vault", {**sandbox.settings(**options), "LOCATION": "https://vault.invalid"})
        fails(lambda: backend.tokenize_many([CANARY]), errors.VaultTimeout)
        late, _ = listener.accept()
        with late:
            assert late.recv(1) == b""


def test_a_wrong_secret_says_so(backend: BaseBackend, make_backend: MakeBackend) -> None:
    wrong = make_backend("chain", key=Key("sandbox-key", "not the secret"))
    error = fails(lambda: wrong.tokenize_many([CANARY]), errors.Unauthorized, "KEY or SECRET .* wrong.*clocks agree")
    assert isinstance(error, PermissionError)
    assert leaks_of(error, "not the secret") == []


def test_a_wrong_key_says_so(make_backend: MakeBackend) -> None:
    wrong = make_backend("vaulted", key=Key("no-such-key", "sandbox-secret"))
    fails(lambda: wrong.tokenize_many([CANARY]), errors.Unauthorized, "KEY or SECRET")


@pytest.mark.parametrize(("minutes", "direction"), [(20, "ahead of"), (-20, "behind")])
def test_a_clock_20_minutes_off_says_so(sandbox: Sandbox, minutes: int, direction: str) -> None:
    class OtherClock(ChainBackend):
        clock = staticmethod(lambda: utcnow() + timedelta(minutes=minutes))

    backend = OtherClock("vault", sandbox.settings())
    fails(lambda: backend.tokenize_many([CANARY]), errors.Unauthorized, f"clock is 20 minutes {direction} the vault's")
    backend.close()


def test_a_read_only_key_cannot_write(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", key=sandbox.add_key(Key("reader", "secret", frozenset({"read"}))))
    fails(lambda: backend.tokenize_many([CANARY]), errors.Forbidden, "lacks the right to write")
    fails(lambda: backend.tokenize_many([CANARY], metadata="x"), errors.Forbidden, "lacks the right to write")


def test_a_write_only_key_cannot_read(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", key=sandbox.add_key(Key("writer", "secret", frozenset({"write"}))))
    [token] = backend.tokenize_many([CANARY])
    fails(lambda: backend.find_many([token]), errors.Forbidden, "lacks the right to read")


@pytest.mark.parametrize("kind", ["chain", "vaulted", "critical"])
def test_a_key_without_determinism_says_so(make_backend: MakeBackend, sandbox: Sandbox, kind: str) -> None:
    backend = make_backend(kind, key=sandbox.add_key(Key("plain", "secret", frozenset({"read", "write"}))))
    fails(lambda: backend.tokenize_many([CANARY], deterministic=True), errors.Forbidden, "determinis")


def test_a_used_up_data_cap_says_so(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.store.cap = 1
    fails(lambda: backend.tokenize_many([CANARY]), errors.DataCapExceeded, "data cap")
    assert sandbox.count() == 1


def test_a_repeated_key_says_so(backend: BaseBackend, sandbox: Sandbox) -> None:
    body = '{"error_type": "bad_request", "error_message": "Invalid JSON detected. Failed unique key check"}'
    sandbox.misbehave(status=400, body=body)
    fails(lambda: backend.tokenize_many([CANARY]), errors.BadRequest, "repeats a key")


def test_waits_as_long_as_retry_after_says(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", timeout=5)
    sandbox.misbehave(status=429, headers={"Retry-After": "1"}, times=1)
    started = time.monotonic()
    backend.tokenize_many([CANARY])
    assert 1 <= time.monotonic() - started < 2


def test_a_retry_after_beyond_the_budget_fails_at_once(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(status=429, headers={"Retry-After": "30"})
    started = time.monotonic()
    fails(lambda: backend.tokenize_many([CANARY]), errors.RateLimited)
    assert time.monotonic() - started < 0.5
    assert sandbox.count() == 1


def test_a_retry_after_is_bounded(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", timeout=3, max_retry_after=0.1)
    sandbox.misbehave(status=503, headers={"Retry-After": "86400"}, times=2)
    assert backend.tokenize_many([CANARY])


@pytest.mark.parametrize(
    "text", ["soon", "-1", "9" * 5000, "Wed, 99 Foo 2026 00:00:00 GMT", "Fri, 31 Dec 1999 23:59:59 GMT", ""]
)
def test_a_strange_retry_after_is_ignored(backend: BaseBackend, sandbox: Sandbox, text: str) -> None:
    sandbox.misbehave(status=503, headers={"Retry-After": text}, times=1)
    assert backend.tokenize_many([CANARY])


def test_a_strange_date_header_is_ignored(backend: BaseBackend, sandbox: Sandbox) -> None:
    for date in ("never", "Fri, 31 Dec 1999 23:59:59"):
        with sandbox.misbehave(status=401, headers={"Date": date}):
            fails(lambda: backend.tokenize_many([CANARY]), errors.Unauthorized, "KEY or SECRET")


def test_the_first_error_of_many_requests_ends_the_operation(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", max_workers=2)
    sandbox.misbehave(status=403, skip=3)
    fails(lambda: backend.tokenize_many([CANARY] * 200, metadata="x"), errors.Forbidden)
    assert sandbox.count() < 20


def test_values_that_are_refused_show_nothing(backend: BaseBackend) -> None:
    fails(lambda: backend.tokenize_many([CANARY, CANARY + "\ud800"]), ValueError)
    fails(lambda: backend.tokenize_many([CANARY * 1000], deterministic=True), errors.ValueTooLarge)
    fails(lambda: backend.tokenize_many([CANARY, b"bytes"]), ValueError)  # type: ignore[list-item]
    fails(lambda: backend.tokenize_many([CANARY], metadata="a\nb"), ValueError)


def test_unknown_tokens_show_nothing_of_their_neighbours(backend: BaseBackend) -> None:
    [token] = backend.tokenize_many([CANARY])
    fails(lambda: backend.detokenize_many([token, "unknown"]), errors.TokenNotFound)


def test_one_failed_batch_shows_nothing_of_the_others(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many([CANARY] * 3000)
    sandbox.misbehave(route="PUT", status=403, skip=1)
    fails(lambda: backend.find_many(tokens), errors.Forbidden)


def test_an_exception_of_somebody_else_passes_without_the_request(
    backend: BaseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task queue's time limit is raised in the middle of whatever runs: it is no fault of the vault."""

    class TimeLimit(Exception):
        pass

    def interrupted(*args: Any) -> Any:
        raise TimeLimit

    monkeypatch.setattr(socket.socket, "sendall", interrupted)
    fails(lambda: backend.tokenize_many([CANARY]), TimeLimit)
