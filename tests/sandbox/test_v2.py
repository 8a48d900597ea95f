"""Vaulted and Critical."""

from __future__ import annotations

import re

import pytest

from django_altr.sandbox import Sandbox

from .client import Client

VAULTED, CRITICAL = "/api/v2", "/v2"
BOTH = pytest.mark.parametrize("base", [VAULTED, CRITICAL])
DETERMINISTIC = {"X_ALTR_DETERMINISM": "true"}


def tokenize(client, base, values, **headers):
    return client.v2("POST", f"{base}/batch", values, **headers)


def tokens_of(client, base, values, **headers):
    answer = tokenize(client, base, values, **headers).json()
    assert answer["success"] is True
    return answer["data"]


def texts(count, text="x"):
    return {f"field{number:03d}": text for number in range(count)}


@pytest.mark.parametrize(
    ("base", "deterministic", "shape"),
    [
        (VAULTED, "false", r"vaultn_[A-Za-z0-9]{64}"),
        (VAULTED, "true", r"vaultd_[A-Za-z0-9]{64}"),
        (CRITICAL, "false", r"token_[A-Za-z0-9]{64,}"),
        (CRITICAL, "true", r"token_[A-Za-z0-9]{64,}"),
    ],
)
def test_shape_of_the_tokens(client, base, deterministic, shape):
    token = tokens_of(client, base, {"field000": "Ada"}, X_ALTR_DETERMINISM=deterministic)["field000"]
    assert re.fullmatch(shape, token)


@BOTH
def test_values_come_back_as_sent(client, base):
    values = {"field000": "Ada", "field001": "Zażółć 💜", "field002": ""}
    answer = client.v2("PUT", f"{base}/batch", tokens_of(client, base, values))
    assert (answer.status, answer.json()) == (200, {"success": True, "data": values})


@BOTH
def test_deterministic_tokens_are_equal_for_equal_text(client, base):
    first = tokens_of(client, base, {"a": "Ada", "b": "Ada"}, **DETERMINISTIC)
    assert first["a"] == first["b"] == tokens_of(client, base, {"a": "Ada"}, **DETERMINISTIC)["a"]
    assert first["a"] != tokens_of(client, base, {"a": "Ada"})["a"]


def test_the_services_do_not_share_deterministic_tokens(client):
    vaulted, critical = (tokens_of(client, base, {"a": "x"}, **DETERMINISTIC) for base in (VAULTED, CRITICAL))
    assert vaulted != critical


@BOTH
def test_a_value_that_is_no_token_fails_the_batch(client, base):
    token = tokens_of(client, base, {"a": "Ada"})["a"]
    for other in ("Ada", "", None, 1, token + "x", token[:-1], "chain_" + "0" * 64, token[:-10] + "A" * 10):
        answer = client.v2("PUT", f"{base}/batch", {"a": token, "b": other})
        assert answer.status == 400
        assert answer.json() == {"success": False, "error": "The values of these fields are not tokens: b"}


@BOTH
def test_tokens_are_case_sensitive(client, base):
    token = tokens_of(client, base, {"a": "Ada"})["a"]
    prefix, _, letters = token.partition("_")
    assert client.v2("PUT", f"{base}/batch", {"a": f"{prefix}_{letters.swapcase()}"}).status == 400


@BOTH
def test_partial_detokenization_returns_anything_else_as_it_is(client, base):
    token = tokens_of(client, base, {"a": "Ada"})["a"]
    others = {"b": "plain", "c": None, "d": token[:-10] + "A" * 10, "e": [1]}
    answer = client.v2("PUT", f"{base}/batch/partial", {"a": token} | others)
    assert answer.json() == {"success": True, "data": {"a": "Ada"} | others}


@pytest.mark.parametrize(("base", "limit"), [(VAULTED, 4096), (CRITICAL, 1024)])
def test_values_in_a_request(client, base, limit):
    tokens = tokens_of(client, base, texts(limit))
    assert client.v2("PUT", f"{base}/batch", tokens).json()["data"] == texts(limit)
    answer = tokenize(client, base, texts(limit + 1))
    assert (answer.status, answer.json()["success"]) == (400, False)
    assert client.v2("PUT", f"{base}/batch", tokens | {"more": "x"}).status == 400


@pytest.mark.parametrize(
    ("base", "fits", "too_long"),
    [(VAULTED, "ż" * 1023, "ż" * 1024), (CRITICAL, "x" * 127, "x" * 128), (CRITICAL, "ż" * 63, "ż" * 64)],
)
def test_length_of_a_value(client, sandbox, base, fits, too_long):
    assert tokenize(client, base, {"a": fits}).status == 200
    answer = tokenize(client, base, {"a": "x", "b": too_long})
    assert answer.status == 400
    assert answer.json()["error"].startswith("The value of 'b' must be under ")
    assert len(sandbox.store) == 1


@BOTH
@pytest.mark.parametrize("body", [b"", b"[]", b'{"a": 1}', b'{"a": "x", "a": "y"}', b"\xff"])
def test_bad_requests_have_the_v2_shape(client, base, body):
    answer = tokenize(client, base, body)
    assert answer.status == 400
    assert set(answer.json()) == {"success", "error"}


@BOTH
def test_a_deleted_token_is_gone(client, base):
    tokens = tokens_of(client, base, {"a": "Ada", "b": "Bob"})
    answer = client.v2("PUT", f"{base}/batch/delete", {"a": tokens["a"]})
    assert (answer.status, answer.json()["success"]) == (200, True)
    assert client.v2("PUT", f"{base}/batch", {"a": tokens["a"]}).status == 400
    assert client.v2("PUT", f"{base}/batch", {"b": tokens["b"]}).json()["data"] == {"b": "Bob"}


@BOTH
def test_a_token_may_be_deleted_again(client, base):
    tokens = tokens_of(client, base, {"a": "Ada"})
    assert [client.v2("PUT", f"{base}/batch/delete", tokens).status for _ in range(2)] == [200, 200]


@BOTH
def test_a_deleted_deterministic_value_gets_a_new_token(client, base):
    before = tokens_of(client, base, {"a": "Ada"}, **DETERMINISTIC)
    client.v2("PUT", f"{base}/batch/delete", before)
    assert tokens_of(client, base, {"a": "Ada"}, **DETERMINISTIC) != before


def test_only_critical_deletes_past_values_that_are_no_tokens(client):
    for base, status in ((VAULTED, 400), (CRITICAL, 200)):
        tokens = tokens_of(client, base, {"a": "Ada"})
        assert client.v2("PUT", f"{base}/batch/delete", tokens | {"b": "Bob"}).status == status
        assert client.v2("PUT", f"{base}/batch", tokens).status == (200 if status == 400 else 400)


def test_tokens_belong_to_their_service(client):
    vaulted, critical = (tokens_of(client, base, {"a": "Ada"}) for base in (VAULTED, CRITICAL))
    assert client.v2("PUT", f"{CRITICAL}/batch", vaulted).status == 400
    assert client.v2("PUT", f"{VAULTED}/batch", critical).status == 400
    assert client.get_batch(vaulted).json() == vaulted
    assert client.get(vaulted["a"]).status == 404


@pytest.mark.parametrize(
    ("right", "method", "path", "headers"),
    [
        ("write", "POST", "/batch", {}),
        ("determinism", "POST", "/batch", DETERMINISTIC),
        ("read", "PUT", "/batch", {}),
        ("read", "PUT", "/batch/partial", {}),
        ("dereference", "PUT", "/batch/delete", {}),
    ],
)
@BOTH
def test_each_call_needs_its_right(client_of, base, right, method, path, headers):
    all_others = {"read", "write", "dereference", "determinism"} - {right}
    answer = client_of(*all_others).v2(method, base + path, {}, **headers)
    assert answer.status == 403
    assert answer.json() == {"success": False, "error": f"API key does not have {right} permissions."}
    assert client_of(right, "write").v2(method, base + path, {}, **headers).status == 200


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !", "Basic ////", "Basic eA==", "Basic c2FuZGJveC1rZXk6d3Jvbmc=", "ALTR a:b"]
)
@BOTH
def test_wrong_credentials(client, base, authorization):
    answer = tokenize(client, base, {}, Authorization=authorization)
    assert answer.status == 401
    assert set(answer.json()) == {"success", "error"}


def test_without_a_limit_there_is_no_rate(client):
    assert {tokenize(client, VAULTED, {}).status for _ in range(100)} == {200}


def test_the_rate_limit():
    with Sandbox(rate_limit=5) as sandbox:
        client = Client(sandbox.url)
        answers = [tokenize(client, VAULTED, {}) for _ in range(6)]
        other = tokenize(client, CRITICAL, {})
        client.close()
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert other.status == 200
