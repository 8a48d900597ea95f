"""Keys, signatures, the clock, rights."""

from __future__ import annotations

import pytest

from django_altr.sandbox import Key, Sandbox
from django_altr.sandbox.auth import parse_date

from .client import Client, iso_now, signature

NOON = 1795867200.0  # 2026-11-28 12:00 UTC


@pytest.mark.parametrize(
    "date",
    [
        "2026-11-28T12:00:00+00:00",
        "2026-11-28T12:00:00.000Z",
        "2026-11-28T14:00:00.000000+02:00",
        "2026-11-28 12:00:00",
        "Sat, 28 Nov 2026 12:00:00 GMT",
        "Sat, 28 Nov 2026 13:00:00 +0100",
        "28-11-2026 12:00:00",
        "Sat Nov 28 2026 12:00:00 GMT+0000 (Coordinated Universal Time)",
        "Sat Nov 28 2026 13:00:00 GMT+0100 (Central European Standard Time)",
        "Sat Nov 28 2026 12:00:00 GMT+0000",
    ],
)
def test_dates_that_are_understood(date):
    assert parse_date(date) == NOON


@pytest.mark.parametrize("date", ["", "now", "1795867200", "31-31-2026 00:00:00", "\0", "9" * 1000, "Sat, 99 Nov 2026"])
def test_dates_that_are_not_understood(date):
    assert parse_date(date) is None


@pytest.mark.parametrize("date", ["", "x" * 1000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_strange_date_is_unauthorized(client, date):
    assert client.send("POST", "/api/v1/single/", b"", client.sign("POST", date=date or " ")).status == 401


@pytest.mark.parametrize(("minutes", "status"), [(14, 200), (-14, 200), (16, 401), (-16, 401)])
def test_the_clock_window_is_15_minutes_either_way(client, minutes, status):
    headers = client.sign("POST", date=iso_now(minutes=minutes))
    answer = client.send("POST", "/api/v1/single/", b"", headers)
    assert answer.status == status
    assert status == 200 or answer.error == "X-ALTR-DATE is more than 15 minutes off the server's clock."


def test_the_clock_can_be_put_forward(client, sandbox):
    sandbox.clock_offset = 20 * 60
    answer = client.put(b"Ada")
    assert answer.status == 401
    assert parse_date(answer.headers["Date"]) == pytest.approx(sandbox.now(), abs=5)


@pytest.mark.parametrize("header", [None, "", "ALTR", "ALTR ", "Basic YTpi", "Bearer x", "ALTR sandbox-key"])
def test_without_a_key_in_the_header(client, header):
    headers = client.sign("POST") | {"Authorization": header}
    headers = {name: value for name, value in headers.items() if value is not None}
    answer = client.send("POST", "/api/v1/single/", b"", headers)
    assert answer.status == 401
    assert answer.json() == {
        "success": False,
        "response": {"error_type": "unauthorized", "error_message": "API key must be included in header."},
    }


def test_without_a_date(client):
    headers = client.sign("POST")
    del headers["X-ALTR-DATE"]
    assert client.send("POST", "/api/v1/single/", b"", headers).status == 401


@pytest.mark.parametrize("key", [Key("nobody", "sandbox-secret"), Key("sandbox-key", "wrong")])
def test_a_wrong_key_and_a_wrong_secret_look_the_same(sandbox, key):
    client = Client(sandbox.url, key)
    answer = client.put(b"Ada")
    client.close()
    assert (answer.status, answer.error) == (401, "The API key could not be authenticated.")


@pytest.mark.parametrize("wrong", ["GET", "PUT", "post"])
def test_the_signature_covers_the_method(client, wrong):
    assert client.send("POST", "/api/v1/single/", b"", client.sign(wrong)).status == 401


def test_the_signature_covers_the_token(client):
    token = client.new_token(b"Ada")
    for resource in ("", f"{token}/metadata", f"/api/v1/single/{token}"):
        assert client.send("GET", f"/api/v1/single/{token}", headers=client.sign("GET", resource)).status == 401


def test_the_signature_covers_the_date(client):
    headers = client.sign("POST") | {"X-ALTR-DATE": iso_now(seconds=1)}
    assert client.send("POST", "/api/v1/single/", b"", headers).status == 401


def test_an_unknown_key_learns_nothing_of_a_token(sandbox):
    client = Client(sandbox.url, Key("nobody", "x"))
    answer = client.get("chain_" + "0" * 64, "/metadata")
    client.close()
    assert answer.status == 401
    assert answer.json()["error_type"] == "unauthorized"


def test_a_read_only_key_cannot_write(client_of):
    reader = client_of("read")
    answer = reader.put(b"Ada")
    assert (answer.status, answer.json()["response"]["error_type"]) == (403, "forbidden")
    assert answer.error == "API key does not have write permission."
    assert reader.post_batch({"a": "x"}).error == "API key does not have write permissions."


def test_a_write_only_key_cannot_read(client, client_of):
    writer, token = client_of("write"), client.new_token(b"Ada")
    answers = [writer.get(token), writer.get(token, "/status"), writer.get_batch({"a": token})]
    assert [answer.status for answer in answers] == [403] * 3
    assert {answer.error for answer in answers} == {"API key does not have read permissions."}
    assert writer.get(token, "/metadata").json() == {
        "error_type": "forbidden",
        "error_message": "API key does not have read permissions.",
    }
    assert writer.put(b"Ada").status == 200


def test_determinism_is_a_right_of_its_own(client_of):
    writer = client_of("write")
    assert writer.post_batch({"a": "x"}, X_ALTR_DETERMINISM="true").status == 403
    assert writer.post_batch({"a": "x"}, X_ALTR_DETERMINISM="false").status == 200


def test_another_key_of_the_organization_reads_the_same_values(client, client_of):
    assert client_of("read").get(client.new_token(b"Ada")).body == b"Ada"


def test_a_secret_outside_of_ascii():
    with Sandbox(keys=[Key("k", "sëcret ☃")]) as sandbox:
        client = Client(sandbox.url, Key("k", "sëcret ☃"))
        assert client.put(b"Ada").status == 200
        assert client.v2("POST", "/v2/batch", {"a": "x"}).status == 200
        client.close()


def test_the_repr_of_a_key_hides_the_secret():
    assert "hush" not in repr(Key("k", "hush"))


@pytest.mark.parametrize("arguments", [("a:b", "s"), ("", "s"), ("k", ""), ("k", "s", {"admin"})])
def test_a_key_that_cannot_be(arguments):
    with pytest.raises(ValueError):
        Key(*arguments)


def test_the_documented_payload(client):
    date = iso_now()
    assert client.sign("PUT", date=date)["Authorization"].endswith(signature("sandbox-secret", "PUT", "", date))
