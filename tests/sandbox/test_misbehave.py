"""Faults on demand, and what the sandbox counts."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_altr.sandbox import Sandbox

from .client import Client


def lost(call):
    """Tell whether the connection is closed before a whole answer."""
    try:
        call()
    except (http.client.HTTPException, ConnectionError):
        return True
    return False


def test_a_status_takes_the_place_of_the_answer(client, sandbox):
    sandbox.misbehave(status=503, headers={"Retry-After": "7"})
    answer = client.put(b"Ada")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json()["response"]["error_type"] == "internal_error"
    assert len(sandbox.store) == 0


def test_times_and_skip(client, sandbox):
    sandbox.misbehave(status=503, times=2, skip=1)
    assert [client.put().status for _ in range(5)] == [200, 503, 503, 200, 200]


def test_faults_take_turns(client, sandbox):
    sandbox.misbehave(status=503, times=1)
    sandbox.misbehave(status=429, times=1)
    assert [client.put().status for _ in range(3)] == [503, 429, 200]


@pytest.mark.parametrize("route", ["POST", "POST /api/v1/batch", "/api/v1/batch"])
def test_a_fault_is_for_its_route(client, sandbox, route):
    sandbox.misbehave(status=503, route=route)
    token = "chain_" + "0" * 64
    assert client.get(token).status == 404
    assert client.post_batch({}).status == 503


def test_a_fault_may_be_for_one_token(client, sandbox):
    bad, good = client.new_token(b"a"), client.new_token(b"b")
    sandbox.misbehave(status=503, route=f"GET /api/v1/single/{bad}")
    assert (client.get(bad).status, client.get(good).status) == (503, 200)


def test_a_fault_for_a_block(client, sandbox):
    with sandbox.misbehave(status=503):
        assert client.put().status == 503
    assert client.put().status == 200


def test_a_proxy_in_between(client, sandbox):
    sandbox.misbehave(status=502, body="<html>Bad Gateway</html>", headers={"Content-Type": "text/html"})
    answer = client.put()
    assert (answer.status, answer.body) == (502, b"<html>Bad Gateway</html>")
    assert answer.headers["Content-Type"] == "text/html"


def test_a_body_alone_is_a_success(client, sandbox):
    sandbox.misbehave(body=b"{}")
    assert (client.put().status, client.put().body) == (200, b"{}")


def test_latency_goes_together_with_other_faults(client, sandbox):
    sandbox.misbehave(latency=0.1)
    sandbox.misbehave(status=503)
    start = time.perf_counter()
    assert client.put().status == 503
    assert time.perf_counter() - start >= 0.1


@pytest.mark.parametrize("end", [Sandbox.stop, Sandbox.reset])
def test_a_latency_does_not_outlive_the_fault(end):
    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        client = Client(sandbox.url)
        sandbox.misbehave(latency=60)
        sleeping = pool.submit(lost, lambda: client.put(b"Ada"))
        while not sandbox.count():
            time.sleep(0.01)
        end(sandbox)
        assert sleeping.result(timeout=5)
        assert len(sandbox.store) == 0
        client.close()


def test_a_slow_drip(client, sandbox):
    sandbox.misbehave(drip=0.0005)
    start = time.perf_counter()
    assert client.put().status == 200
    assert time.perf_counter() - start >= 0.1


@pytest.mark.parametrize(("drop", "stored"), [("before", 0), ("lost", 1), ("middle", 1)])
def test_a_dropped_connection(client, sandbox, drop, stored):
    sandbox.misbehave(drop=drop, times=1)
    assert lost(lambda: client.put(b"Ada"))
    assert len(sandbox.store) == stored
    client.close()
    assert client.put(b"Ada").status == 200


def test_a_connection_dropped_after_the_answer(client, sandbox):
    sandbox.misbehave(drop="after", times=1)
    assert client.put(b"Ada").status == 200
    time.sleep(0.05)
    assert lost(lambda: client.put(b"Ada"))


def test_a_wrong_hash(client, sandbox):
    token = client.new_token(b"Ada")
    sandbox.misbehave(corrupt="hash")
    answer = client.get(token)
    assert answer.body == b"Ada"
    assert answer.headers["X-Expected-Hash"] != hashlib.md5(b"Ada").hexdigest()


@pytest.mark.parametrize(
    ("corruption", "expected"),
    [
        ("null", {"0": None, "1": "Bob"}),
        ("missing", {"1": "Bob"}),
        ("extra", {"0": "Ada", "1": "Bob", "unasked": "extra"}),
        ("number", {"0": 1, "1": "Bob"}),
        ("swapped", {"0": "Bob", "1": "Ada"}),
        ("list", []),
    ],
)
def test_a_wrong_answer_to_a_batch(client, sandbox, corruption, expected):
    tokens = client.post_batch({"0": "Ada", "1": "Bob"}).json()
    v2_tokens = client.v2("POST", "/v2/batch", {"0": "Ada", "1": "Bob"}).json()["data"]
    sandbox.misbehave(corrupt=corruption)
    answer = client.get_batch(tokens)
    assert (answer.status, answer.json()) == (200, expected)
    assert "X-Overflow-Data" not in answer.headers
    v2 = client.v2("PUT", "/v2/batch", v2_tokens).json()
    assert v2 == (expected if corruption == "list" else {"success": True, "data": expected})


@pytest.mark.parametrize("corruption", ["half", "empty", "html"])
def test_an_answer_that_is_no_json(client, sandbox, corruption):
    sandbox.misbehave(corrupt=corruption)
    answer = client.post_batch({"0": "Ada"})
    assert answer.status == 200
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize("corruption", ["null", "missing", "extra", "number", "swapped"])
def test_data_is_not_taken_for_json(client, sandbox, corruption):
    tokens = [client.new_token(data) for data in (b"Ada", b"\xff", b"{")]
    sandbox.misbehave(corrupt=corruption)
    assert [client.get(token).body for token in tokens] == [b"Ada", b"\xff", b"{"]
    assert client.post_batch({}).status == 200
    assert client.put(b"Ada").status == 200


def test_errors_are_not_corrupted(client, sandbox):
    sandbox.misbehave(corrupt="half")
    assert client.get("chain_" + "0" * 64).error == "Token could not be found."


@pytest.mark.parametrize("fault", [{"drop": "never"}, {"corrupt": "all"}, {"delay": 1}])
def test_faults_that_do_not_exist(sandbox, fault):
    with pytest.raises((ValueError, TypeError)):
        sandbox.misbehave(**fault)


def test_requests_are_counted_by_method_and_route(client, sandbox):
    token = client.new_token(b"Ada")
    client.get(token)
    client.get(token, "/metadata")
    client.get_batch({"a": token})
    assert sandbox.count() == 4
    assert sandbox.count("GET") == 2
    assert sandbox.count("PUT /api/v1/batch") == 1
    assert sandbox.count("GET /api/v1/single/:referenceToken") == 1
    assert sandbox.count("POST /api/v1/single") == sandbox.count("POST /api/v1/single/") == 1
    assert sandbox.count("/api/v1/batch") == 1
    assert sandbox.count("PUT /api/v2/batch") == 0


def test_requests_are_recorded(client, sandbox):
    client.post_batch({"a": "x", "b": "y"})
    client.send("GET", "/nowhere")
    first, second = sandbox.requests
    assert (first.method, first.path, first.status, first.values) == ("POST", "/api/v1/batch", 200, 2)
    assert (second.path, second.route, second.status) == ("/nowhere", "?", 404)
    assert first.connection == second.connection


def test_a_request_without_an_answer_has_status_0(client, sandbox):
    sandbox.misbehave(drop="before")
    assert lost(client.put)
    assert [record.status for record in sandbox.requests] == [0]


def test_connections_are_counted(client, sandbox):
    client.put()
    client.put()
    assert sandbox.connections == 1
    client.close()
    client.put()
    assert sandbox.connections == 2


def test_reset(client, client_of, sandbox):
    reader = client_of("read")
    client.put(b"Ada")
    sandbox.clock_offset = 3600
    sandbox.store.cap = 1
    sandbox.misbehave(status=503)
    sandbox.reset()
    assert (sandbox.count(), sandbox.requests, sandbox.connections, len(sandbox.store)) == (0, [], 0, 0)
    assert client.put(b"Ada").status == 200
    assert reader.put(b"Ada").status == 401


def test_values_may_outlive_a_reset(client, sandbox):
    token = client.new_token(b"Ada")
    sandbox.reset(values=False)
    assert client.get(token).body == b"Ada"


def test_an_outage_keeps_the_port_and_the_values():
    with Sandbox() as sandbox:
        client = Client(sandbox.url)
        token = client.new_token(b"Ada")
        sandbox.stop()
        client.close()
        with pytest.raises(ConnectionError):
            client.get(token)
        sandbox.start()
        client.close()
        assert client.get(token).body == b"Ada"
        client.close()


def test_it_cannot_be_started_twice(sandbox):
    with pytest.raises(RuntimeError):
        sandbox.start()


def test_settings_for_django(sandbox):
    settings = sandbox.settings(timeout=1)
    assert settings == {
        "BACKEND": "django_altr.backends.chain.ChainBackend",
        "LOCATION": sandbox.url,
        "KEY": "sandbox-key",
        "SECRET": "sandbox-secret",
        "OPTIONS": {"timeout": 1},
    }
    assert sandbox.settings("vaulted")["LOCATION"] == f"{sandbox.url}/api/v2"
    assert sandbox.settings("critical")["LOCATION"] == f"{sandbox.url}/v2"


def test_control_over_http():
    with Sandbox(control=True) as sandbox:
        client = Client(sandbox.url)

        def control(path, **options):
            answer = client.send("POST", f"/_sandbox/{path}", json.dumps(options))
            return answer.status

        client.put(b"Ada")
        report = client.send("GET", "/_sandbox/requests").json()
        assert (report["connections"], report["counts"]) == (1, {"POST /api/v1/single/": 1})
        assert report["requests"][0]["status"] == 200
        assert control("misbehave", status=503, times=1) == 200
        assert [client.put().status, client.put().status] == [503, 200]
        assert control("clock", offset=3600) == 200
        assert client.put().status == 401
        assert client.send("POST", "/_sandbox/reset").status == 200
        assert client.put().status == 200
        assert control("reset", values=False) == 200
        assert len(sandbox.store) == 1
        assert control("misbehave", nonsense=1) == control("clock") == control("clock", offset="x") == 400
        client.close()
