"""PutData, GetData, GetMetadata and token status."""

from __future__ import annotations

import hashlib
import re

import pytest

UNKNOWN = "chain_" + "0" * 64


def test_a_token_has_the_documented_shape(client):
    assert re.fullmatch(r"chain_[0-9a-f]{64}", client.new_token(b"Ada"))


@pytest.mark.parametrize("data", [b"Ada", b"", "Zażółć 💜".encode(), bytes(range(256)), b"x" * 3_000_000])
def test_data_comes_back_as_sent(client, data):
    answer = client.get(client.new_token(data))
    assert (answer.status, answer.body) == (200, data)
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_the_expected_hash_is_the_md5_of_the_data(client):
    answer = client.get(client.new_token(b"Ada"))
    assert answer.headers["X-Expected-Hash"] == hashlib.md5(b"Ada").hexdigest()


def test_equal_data_gets_a_token_each(client):
    assert client.new_token(b"Ada") != client.new_token(b"Ada")


def test_the_path_works_without_its_last_slash(client):
    answer = client.send("POST", "/api/v1/single", b"Ada", client.sign("POST"))
    assert answer.status == 200


@pytest.mark.parametrize("metadata", ["shop.Customer.ssn", "", "100% a%20b", 'quo"te', "Jos\xe9"])
def test_metadata_comes_back_as_sent(client, metadata):
    token = client.new_token(b"Ada", X_ALTR_METADATA=metadata)
    assert client.get(token, "/metadata").json() == {"success": True, "metadata": metadata}
    assert client.get(token).headers["X-ALTR-Metadata"] == metadata


def test_metadata_in_utf_8_comes_back_in_utf_8(client):
    sent = "Łódź".encode()
    token = client.new_token(b"Ada", X_ALTR_METADATA=sent.decode("latin-1"))
    assert client.get(token, "/metadata").json()["metadata"] == "Łódź"
    assert client.get(token).headers["X-ALTR-Metadata"].encode("latin-1") == sent


def test_metadata_with_control_characters_is_refused(client):
    headers = "\r\n".join(f"{name}: {value}" for name, value in client.sign("POST").items())
    request = f"POST /api/v1/single/ HTTP/1.1\r\n{headers}\r\nX-ALTR-METADATA: a\0b\r\nConnection: close\r\n\r\n"
    assert client.raw(request.encode()).startswith(b"HTTP/1.1 400 ")


def test_without_metadata_there_is_no_header_and_no_key(client):
    token = client.new_token(b"Ada")
    assert client.get(token, "/metadata").json() == {"success": True}
    assert "X-ALTR-Metadata" not in client.get(token).headers


def test_status_of_a_token(client):
    expected = {"token_active": True, "data_protected": True, "data_available": True}
    assert client.get(client.new_token(b"Ada"), "/status").json() == {"success": True, "response": {"data": expected}}


def test_status_of_an_unknown_token_is_inactive(client):
    assert not any(client.get(UNKNOWN, "/status").json()["response"]["data"].values())


def test_an_unknown_token_is_not_found(client):
    answer = client.get(UNKNOWN)
    assert answer.status == 404
    assert answer.json() == {
        "success": False,
        "response": {"error_type": "resource_not_found", "error_message": "Token could not be found."},
    }


def test_metadata_of_an_unknown_token_is_a_flat_error(client):
    answer = client.get(UNKNOWN, "/metadata")
    assert answer.status == 404
    assert answer.json() == {"error_type": "resource_not_found", "error_message": "Token could not be found."}


def chunked(client, size, **headers):
    """Send a body whose length is not announced; return how much of it was kept."""
    body = (b"x" * 1000 for _ in range(size // 1000))
    return len(client.get(client.new_token(body, **headers)).body)


def test_a_chunked_body_is_kept_whole(client):
    assert chunked(client, 10_000) == 10_000


def test_a_body_longer_than_a_small_hint_is_cut_at_3_kb(client):
    assert chunked(client, 10_000, X_Content_Length_Hint="500") == 3072


def test_a_body_under_3_kb_is_kept_whatever_the_small_hint(client):
    assert chunked(client, 3_000, X_Content_Length_Hint="500") == 3_000


def test_a_hint_of_3_kb_or_more_cuts_nothing(client):
    assert chunked(client, 10_000, X_Content_Length_Hint="3072") == 10_000


def test_content_length_counts_more_than_the_hint(client):
    assert len(client.get(client.new_token(b"x" * 10_000, X_Content_Length_Hint="500")).body) == 10_000


@pytest.mark.parametrize("hint", ["-1", "many", "", "1e3"])
def test_a_hint_that_is_no_number_is_refused(client, hint):
    answer = client.put((b"x" for _ in range(1)), X_Content_Length_Hint=hint)
    assert (answer.status, answer.error) == (400, "X-Content-Length-Hint must be a number of bytes.")


def test_a_connection_is_reused_after_a_chunked_body(client, sandbox):
    for _ in range(3):
        chunked(client, 2_000)
    assert sandbox.connections == 1


def test_the_data_cap(client, sandbox):
    sandbox.store.cap = 10
    assert client.put(b"x" * 10).status == 200
    answer = client.put(b"x")
    assert (answer.status, answer.json()["response"]["error_type"]) == (400, "bad_request")
    assert answer.error == "Organization data cap exceeded"
    assert client.put(b"").status == 200
