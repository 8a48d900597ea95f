from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_altr.backends.base import BaseBackend
from django_altr.exceptions import InvalidResponse, TokenNotFound, ValueTooLarge
from django_altr.sandbox import Sandbox

from .conftest import MakeBackend
from .contract import BackendContract, unknown_token

BATCH, SINGLE = "/api/v1/batch", "/api/v1/single/"


@pytest.fixture
def backend(make_backend: MakeBackend) -> BaseBackend:
    return make_backend("chain")


class TestChainBackend(BackendContract):
    pass


def test_reads_1025_values_with_two_requests(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many(["a"] * 1025)
    assert sandbox.count("POST") == 2
    assert len(backend.find_many(tokens)) == 1025
    assert sandbox.count("PUT") == 2


def test_writes_values_with_metadata_one_by_one(backend: BaseBackend, sandbox: Sandbox) -> None:
    backend.tokenize_many(["a", "b", "c"], metadata="shop.Customer.ssn")
    assert sandbox.counts == {f"POST {SINGLE}": 3}


def test_sends_equal_deterministic_values_once(backend: BaseBackend, sandbox: Sandbox) -> None:
    backend.tokenize_many(["a", "a", "b"], deterministic=True)
    assert [record.values for record in sandbox.requests] == [2]


def test_reads_a_value_of_4_kb_with_get_data(backend: BaseBackend, sandbox: Sandbox) -> None:
    large, small = backend.tokenize_many(["x" * 4000, "y"])
    assert backend.find_many([large, small]) == {large: "x" * 4000, small: "y"}
    assert sandbox.counts == {
        f"POST {BATCH}": 1, f"POST {SINGLE}": 1, f"PUT {BATCH}": 1, f"GET {SINGLE}:referenceToken": 1,
    }  # fmt: skip


def test_sends_values_between_the_two_readings_of_3_kb_alone(backend: BaseBackend, sandbox: Sandbox) -> None:
    backend.tokenize_many(["é" * 1501])
    assert sandbox.counts == {f"POST {SINGLE}": 1}


def test_keeps_batches_within_500_kb(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many(["é" * 1500] * 400)
    assert {record.status for record in sandbox.requests} == {200}
    assert sandbox.count("POST") == 3
    assert len(backend.find_many(tokens)) == 400


def test_splits_a_read_whose_answer_would_be_too_large(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many([f"{number:04}" * 500 for number in range(600)])
    assert [text[:4] for text in backend.find_many(tokens).values()] == [f"{number:04}" for number in range(600)]
    assert 509 in {record.status for record in sandbox.requests}


def test_splits_a_write_that_the_vault_calls_too_large(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(route=f"POST {BATCH}", status=509, times=1)
    tokens = backend.tokenize_many(["a", "b", "c"])
    assert list(backend.find_many(tokens).values()) == ["a", "b", "c"]
    assert sorted(record.values for record in sandbox.requests if record.method == "POST") == [0, 1, 2]


def test_writes_what_a_batch_left_out_with_put_data(backend: BaseBackend, sandbox: Sandbox) -> None:
    body = '{"0": null}'
    sandbox.misbehave(route=f"POST {BATCH}", body=body, headers={"X-Overflow-Data": "true"}, times=1)
    [token] = backend.tokenize_many(["a"])
    assert backend.find_many([token]) == {token: "a"}
    assert sandbox.count(f"POST {SINGLE}") == 1


def test_a_deterministic_value_that_a_batch_left_out_is_too_large(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(body='{"0": null}', headers={"X-Overflow-Data": "true"})
    with pytest.raises(ValueTooLarge, match="no deterministic token"):
        backend.tokenize_many(["a"], deterministic=True)


def test_asks_again_without_the_tokens_that_a_404_names(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many([str(number) for number in range(20)])
    unknown = unknown_token(backend)
    before = sandbox.count("PUT")
    assert list(backend.find_many([*tokens[:7], unknown, *tokens[7:]])) == tokens
    assert sandbox.count("PUT") - before == 2


def test_halves_a_batch_whose_404_names_nothing(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many(["a", "b", "c", "d"])
    body = '{"success": false, "response": {"error_type": "resource_not_found", "error_message": "Some are unknown."}}'
    sandbox.misbehave(route=f"PUT {BATCH}", status=404, body=body, times=1)
    assert list(backend.find_many(tokens).values()) == ["a", "b", "c", "d"]
    assert [record.values for record in sandbox.requests if record.method == "PUT"] == [0, 2, 2]


def test_a_404_of_something_else_than_altr_is_no_unknown_token(backend: BaseBackend, sandbox: Sandbox) -> None:
    [token] = backend.tokenize_many(["a"])
    with sandbox.misbehave(status=404, body="<html>Not here</html>"):
        with pytest.raises(InvalidResponse, match="not ALTR's"):
            backend.find_many([token])
        with pytest.raises(InvalidResponse, match="not ALTR's"):
            backend.metadata(token)
        with pytest.raises(InvalidResponse, match="LOCATION"):
            backend.tokenize_many(["a"])


def test_an_altered_value_is_read_once_more(backend: BaseBackend, sandbox: Sandbox) -> None:
    [token] = backend.tokenize_many(["x" * 4000])
    sandbox.misbehave(route="GET", corrupt="hash", times=1)
    assert backend.find_many([token]) == {token: "x" * 4000}


def test_an_altered_value_is_never_returned(backend: BaseBackend, sandbox: Sandbox) -> None:
    [token] = backend.tokenize_many(["x" * 4000])
    sandbox.misbehave(route="GET", corrupt="hash")
    with pytest.raises(InvalidResponse, match="X-Expected-Hash"):
        backend.find_many([token])


def test_data_that_is_no_text_is_refused(backend: BaseBackend, sandbox: Sandbox) -> None:
    [token] = backend.tokenize_many(["a"])
    sandbox.misbehave(route="PUT", body='{"0": null}', headers={"X-Overflow-Data": "true"})
    sandbox.misbehave(route="GET", body=b"\xff\xfe")
    with pytest.raises(InvalidResponse, match="no UTF-8 text"):
        backend.find_many([token])


def test_a_large_token_that_vanishes_between_two_requests_is_unknown(backend: BaseBackend, sandbox: Sandbox) -> None:
    token = unknown_token(backend)
    sandbox.misbehave(route="PUT", body='{"0": null}', headers={"X-Overflow-Data": "true"})
    with pytest.raises(TokenNotFound):
        backend.detokenize_many([token])


@pytest.mark.parametrize("token", ["../batch", "..", "a/b", "a%2Fb", "a?b", "a#b", "a\\b", "a b", "é", "", "x" * 1025])
def test_no_text_of_a_column_can_name_another_path(backend: BaseBackend, sandbox: Sandbox, token: str) -> None:
    with pytest.raises(TokenNotFound):
        backend.metadata(token)
    with pytest.raises(TokenNotFound):
        backend.status(token)
    assert sandbox.requests == []


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=st.lists(st.text() | st.from_regex(r"\A(chain_[0-9a-f]{64}|[.%/\\?#]{1,9})\Z"), max_size=5))
def test_any_text_of_a_column_is_at_most_unknown(backend: BaseBackend, sandbox: Sandbox, texts: list[str]) -> None:
    assert backend.find_many(texts) == {}
    for text in texts:
        with pytest.raises(TokenNotFound):
            backend.metadata(text)
    assert {record.route for record in sandbox.requests} <= {BATCH, f"{SINGLE}:referenceToken/metadata"}


def test_plain_metadata_travels_verbatim(backend: BaseBackend, sandbox: Sandbox) -> None:
    [token] = backend.tokenize_many(["a"], metadata="shop.Customer.ssn; v=1")
    assert sandbox.store.get(token) == (b"a", b"shop.Customer.ssn; v=1")


@pytest.mark.parametrize(
    "body", ["[]", '{"success": true, "metadata": 1}', '{"success": true, "metadata": ["x"]}', "<html>"]
)
def test_metadata_of_an_unknown_shape_is_refused(backend: BaseBackend, sandbox: Sandbox, body: str) -> None:
    [token] = backend.tokenize_many(["a"])
    sandbox.misbehave(route="GET", body=body)
    with pytest.raises(InvalidResponse, match="GetMetadata"):
        backend.metadata(token)


@pytest.mark.parametrize("body", ["[]", "{}", '{"success": true, "response": {"data": {"token_active": 1}}}', "<html>"])
def test_a_status_of_an_unknown_shape_is_refused(backend: BaseBackend, sandbox: Sandbox, body: str) -> None:
    [token] = backend.tokenize_many(["a"])
    sandbox.misbehave(route="GET", body=body)
    with pytest.raises(InvalidResponse, match="token status"):
        backend.status(token)


def test_put_data_without_a_token_is_refused(backend: BaseBackend, sandbox: Sandbox) -> None:
    sandbox.misbehave(route="POST", body='{"success": true, "response": {"data": {}}}')
    with pytest.raises(InvalidResponse, match="no reference token"):
        backend.tokenize_many(["a"], metadata="x")
