"""Whatever arrives, the answer is a 4xx in JSON, and the server goes on."""

from __future__ import annotations

import json
import logging
import socket

import pytest

from django_altr.sandbox import Sandbox
from django_altr.sandbox.server import Server

from .client import Client

CLASSIC = "POST /api/v1/single/ HTTP/1.1\r\nHost: x\r\n"

REQUESTS = {
    "path traversal": b"GET /../../etc/passwd HTTP/1.1\r\n\r\n",
    "path traversal in a token": b"GET /api/v1/single/../../../etc/passwd HTTP/1.1\r\n\r\n",
    "encoded path traversal": b"GET /api/v1/single/%2e%2e%2f%2e%2e HTTP/1.1\r\n\r\n",
    "bad percent-escape": b"GET /api/v1/single/%zz%f HTTP/1.1\r\n\r\n",
    "NUL in the path": b"GET /api/v1/single/%00 HTTP/1.1\r\n\r\n",
    "raw NUL in the path": b"GET /api/v1/single/\0 HTTP/1.1\r\n\r\n",
    "invalid UTF-8 in the path": b"GET /api/v1/single/\xff\xfe HTTP/1.1\r\n\r\n",
    "IPv6 URL": b"GET //[ HTTP/1.1\r\n\r\n",
    "absolute URL": b"GET http://example.com/ HTTP/1.1\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "strange method": b"BREW /api/v1/batch HTTP/1.1\r\n\r\n",
    "lower-case method": b"get /api/v1/batch HTTP/1.1\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\n\n",
    "long request line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "header without colon": b"GET / HTTP/1.1\r\nnonsense\r\n\r\n",
    "continuation first": b"GET / HTTP/1.1\r\n continued: x\r\n\r\n",
    "headers cut off": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "negative Content-Length": CLASSIC.encode() + b"Content-Length: -1\r\n\r\n",
    "huge Content-Length": CLASSIC.encode() + b"Content-Length: 99999999999999999999\r\n\r\n",
    "very long Content-Length": CLASSIC.encode() + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "Content-Length of words": CLASSIC.encode() + b"Content-Length: ten\r\n\r\n",
    "Content-Length with sign": CLASSIC.encode() + b"Content-Length: +5\r\n\r\nhello",
    "Content-Length and chunks": CLASSIC.encode() + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "body cut off": CLASSIC.encode() + b"Content-Length: 10\r\n\r\nhello",
    "chunk size of words": CLASSIC.encode() + b"Transfer-Encoding: chunked\r\n\r\nten\r\n",
    "huge chunk": CLASSIC.encode() + b"Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
    "chunk cut off": CLASSIC.encode() + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "negative chunk": CLASSIC.encode() + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
    "invalid UTF-8 in headers": CLASSIC.encode() + b"Authorization: ALTR \xff:\xfe\r\nX-ALTR-DATE: \xff\r\n\r\n",
    "NUL in headers": CLASSIC.encode() + b"Authorization: ALTR \0:\0\r\nX-ALTR-DATE: \0\r\n\r\n",
    "bad Basic credentials": b"POST /v2/batch HTTP/1.1\r\nAuthorization: Basic \xff\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", REQUESTS.values(), ids=REQUESTS.keys())
def test_the_answer_is_a_4xx_in_json(client, sandbox, caplog, request_bytes):
    answer = client.raw(request_bytes.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert 400 <= status < 500 or status == 505
    assert b"Content-Type: application/json" in head
    assert json.loads(body)["success"] is False
    assert len(sandbox.store) == 0
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_unknown_transfer_encoding_is_refused(client):
    answer = client.raw(CLASSIC.encode() + b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 501 ")


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/batch/x", "/api/v2", "/_sandbox/requests", "/admin/"]
)
def test_unknown_paths(client, path):
    answer = client.send("GET", path)
    assert (answer.status, answer.json()["response"]["error_type"]) == (404, "resource_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/v1/batch", "POST, PUT"),
        ("DELETE", "/api/v1/single/x", "GET"),
        ("PUT", "/api/v1/single/", "POST"),
        ("GET", "/api/v2/batch", "POST, PUT"),
        ("POST", "/v2/batch/delete", "PUT"),
        ("OPTIONS", "/api/v1/batch", "POST, PUT"),
    ],
)
def test_wrong_methods(client, method, path, allow):
    answer = client.send(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allow)
    assert answer.json()["success"] is False


def test_head_has_no_body(client):
    assert client.send("HEAD", "/api/v1/batch").body == b""
    assert client.send("GET", "/api/v1/batch").status == 405


def test_a_query_string_changes_nothing(client):
    assert client.send("POST", "/api/v1/single/?x=%zz", b"Ada", client.sign("POST")).status == 200


def test_http_1_0(client):
    answer = client.raw(b"GET /api/v1/batch HTTP/1.0\r\n\r\n")
    assert b"405" in answer.splitlines()[0]
    assert b"Connection: close" in answer


def test_an_answer_asks_for_the_body_that_was_announced(client):
    headers = "".join(f"{name}: {value}\r\n" for name, value in client.sign("POST").items())
    request = f"{CLASSIC}{headers}Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\nAda"
    answer = client.raw(request.encode())
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_http_1_0_with_keep_alive(client):
    answer = client.raw(b"GET /api/v1/batch HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" * 2)
    assert answer.count(b"Connection: Keep-Alive") == 2


def test_a_client_that_stops_in_the_middle_is_timed_out(monkeypatch):
    monkeypatch.setattr(Server, "timeout", 0.2)
    with Sandbox() as sandbox, socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        connection.sendall(CLASSIC.encode() + b"Content-Length: 10\r\n\r\nhello")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert len(sandbox.store) == 0


def test_a_failure_of_the_store_is_the_servers_fault(caplog):
    with Sandbox() as sandbox:
        sandbox.store.close()
        client = Client(sandbox.url)
        assert client.put(b"Ada").status == 503
        client.close()
    assert "The store failed" in caplog.text


def test_two_requests_in_one_packet(client):
    request = b"GET /api/v1/batch HTTP/1.1\r\nHost: x\r\n\r\n"
    assert client.raw(request * 2).count(b"HTTP/1.1 405 ") == 2


def test_the_server_survives_a_failure_of_its_own(client, sandbox, monkeypatch, caplog):
    monkeypatch.setattr(sandbox.store, "add", lambda *args: 1 / 0)
    answer = client.put(b"secret plaintext")
    assert answer.status == 503
    assert answer.json() == {
        "success": False,
        "response": {"error_type": "internal_error", "error_message": "Unable to process request at this time."},
    }
    assert "ZeroDivisionError" in caplog.text
    assert "secret plaintext" not in caplog.text


def test_a_body_that_is_too_long_is_refused_and_the_client_hears_of_it(client):
    answer = client.send("POST", "/api/v1/single/", bytes(65 * 1024 * 1024), client.sign("POST"))
    assert (answer.status, answer.json()["response"]["error_type"]) == (413, "bad_request")
