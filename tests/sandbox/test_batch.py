"""PostBatch and GetBatch."""

from __future__ import annotations

import json
import re

import pytest

UNKNOWN = ["chain_" + "0" * 64, "chain_" + "1" * 64]


def texts(count, text="x"):
    return {str(number): text for number in range(count)}


def test_a_batch_comes_back_as_sent(client):
    values = {"a": "Ada", "empty": "", "ż": "Zażółć 💜", "quote": '"\\\n\0'}
    tokens = client.post_batch(values).json()
    assert list(tokens) == list(values)
    assert all(re.fullmatch(r"chain_[0-9a-f]{64}", token) for token in tokens.values())
    assert client.get_batch(tokens).json() == values


def test_an_empty_batch(client):
    assert client.post_batch({}).json() == client.get_batch({}).json() == {}


def test_equal_values_get_a_token_each(client):
    assert len(set(client.post_batch(texts(3)).json().values())) == 3


def test_a_token_may_be_asked_for_twice(client):
    token = client.new_token(b"Ada")
    assert client.get_batch({"a": token, "b": token}).json() == {"a": "Ada", "b": "Ada"}


def test_bytes_consumed(client):
    assert client.post_batch({"a": "ż", "b": "ab", "c": "x" * 4000}).headers["X-Bytes-Consumed"] == "4"


def test_values_that_are_no_tokens_come_back_as_they_are(client):
    values = {"id": "1", "number": 1.5, "none": None, "list": ["chain_x", {}], "case": UNKNOWN[0].upper(), "flag": True}
    token = client.new_token(b"Ada")
    assert client.get_batch(values | {"token": token}).json() == values | {"token": "Ada"}


def test_unknown_tokens_are_named(client):
    answer = client.get_batch({"a": client.new_token(b"Ada"), "b": UNKNOWN[0], "c": UNKNOWN[1], "d": UNKNOWN[0]})
    assert (answer.status, answer.json()["response"]["error_type"]) == (404, "resource_not_found")
    assert answer.error == f"The following tokens could not be found: {', '.join(UNKNOWN)}"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_at_most_1024_values(client, method):
    assert client.batch(method, texts(1024)).status == 200
    answer = client.batch(method, texts(1025))
    assert (answer.status, answer.json()["response"]["error_type"]) == (400, "bad_request")
    assert "1024" in answer.error


def test_writing_a_value_over_3_kb_gives_null_and_the_flag(client):
    answer = client.post_batch({"a": "x" * 3072, "b": "x" * 3073, "c": "ż" * 1537})
    assert answer.headers["X-Overflow-Data"] == "true"
    assert [token is None for token in answer.json().values()] == [False, True, True]


def test_reading_a_value_over_3_kb_gives_null_and_the_flag(client):
    answer = client.get_batch({"a": client.new_token(b"x" * 3072), "b": client.new_token(b"x" * 3073)})
    assert answer.headers["X-Overflow-Data"] == "true"
    assert answer.json() == {"a": "x" * 3072, "b": None}


def test_data_that_is_no_text_is_left_to_get_data(client):
    answer = client.get_batch({"a": client.new_token(b"\xff\xfe")})
    assert answer.json() == {"a": None}
    assert answer.headers["X-Overflow-Data"] == "true"


def test_without_overflow_there_is_no_flag(client):
    tokens = client.post_batch({"a": "Ada"})
    assert "X-Overflow-Data" not in tokens.headers
    assert "X-Overflow-Data" not in client.get_batch(tokens.json()).headers


def test_writing_over_500_kb_is_refused(client, sandbox):
    assert client.post_batch(texts(500, "x" * 1024)).status == 200
    before = len(sandbox.store)
    answer = client.post_batch(texts(501, "x" * 1024))
    assert (answer.status, answer.json()["response"]["error_type"]) == (509, "bandwidth")
    assert answer.headers["X-Overflow-Data"] == "true"
    assert len(sandbox.store) == before


def test_reading_over_500_kb_is_refused(client):
    token = client.new_token(b"x" * 1024)
    assert client.get_batch(texts(500, token)).status == 200
    answer = client.get_batch(texts(501, token))
    assert (answer.status, answer.headers["X-Overflow-Data"]) == (509, "true")


def test_values_over_3_kb_count_nothing_towards_the_500_kb(client):
    assert client.post_batch(texts(500, "x" * 1024) | {"big": "x" * 100_000}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_no_key_twice(client, method):
    answer = client.batch(method, b'{"a": "x", "b": "y", "a": "z"}')
    assert answer.status == 400
    assert answer.error == "Invalid JSON detected. Failed unique key check"


@pytest.mark.parametrize("value", [1, None, True, [], {}, 1.5])
def test_only_text_can_be_written(client, sandbox, value):
    answer = client.post_batch({"a": "x", "b": value})
    assert (answer.status, answer.error) == (400, "Invalid JSON detected. Values must be strings")
    assert len(sandbox.store) == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"a"',
        b"null",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=range(10),
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_bad_json_is_refused(client, method, body):
    answer = client.batch(method, body)
    assert answer.status == 400
    assert answer.error.startswith("Invalid JSON detected.")


def test_a_lone_surrogate_cannot_be_written_but_is_echoed(client):
    assert client.post_batch(b'{"a": "\\ud800"}').status == 400
    assert client.get_batch(b'{"a": "\\ud800"}').json() == {"a": "\ud800"}


def test_the_content_type_must_be_json(client):
    assert client.post_batch({}, Content_Type="text/plain").status == 400
    assert client.post_batch({}, Content_Type="Application/JSON; charset=utf-8").status == 200


def test_the_data_cap_refuses_the_whole_batch(client, sandbox):
    sandbox.store.cap = 10
    answer = client.post_batch(texts(11))
    assert (answer.status, answer.error) == (400, "Organization data cap exceeded")
    assert len(sandbox.store) == 0


def test_deterministic_tokens_are_equal_for_equal_text(client):
    first = client.post_batch({"a": "Ada", "b": "Bob", "c": "Ada"}, X_ALTR_DETERMINISM="true").json()
    second = client.post_batch({"x": "Bob", "y": "Ada"}, X_ALTR_DETERMINISM="true").json()
    assert first["a"] == first["c"] == second["y"] != first["b"] == second["x"]
    assert client.get_batch(first).json() == {"a": "Ada", "b": "Bob", "c": "Ada"}


def test_a_deterministic_token_is_not_that_of_a_plain_write(client):
    plain = client.post_batch({"a": "Ada"}).json()
    assert plain != client.post_batch({"a": "Ada"}, X_ALTR_DETERMINISM="true").json()
    assert plain != client.post_batch({"a": "Ada"}, X_ALTR_DETERMINISM="false").json()


def test_determinism_is_true_or_false(client):
    assert client.post_batch({"a": "Ada"}, X_ALTR_DETERMINISM="maybe").status == 400


def test_keys_of_the_answer_keep_the_order_of_the_question(client):
    body = json.dumps({str(number): str(number) for number in reversed(range(100))}).encode()
    assert list(client.post_batch(body).json()) == [str(number) for number in reversed(range(100))]
