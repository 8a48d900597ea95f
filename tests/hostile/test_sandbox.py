"""Whatever is sent to the sandbox, it answers with JSON of its own: no 500, no traceback, nothing stored unasked."""

from __future__ import annotations

import base64
import http.client
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_altr.http import BasicAuth, HmacAuth
from django_altr.sandbox import Sandbox

from requests import Request  # isort: skip

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

PATHS = ["/api/v1/single/", "/api/v1/batch", "/api/v2/batch", "/api/v2/batch/partial", "/api/v2/batch/delete",
         "/v2/batch", "/v2/batch/partial", "/v2/batch/delete"]  # fmt: skip
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
#: Anything that http.client lets out as a header.
HEADER_TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=100)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=20), children, max_size=4),
    max_leaves=12,
)
BODIES = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()) | st.dictionaries(
    st.text(max_size=10), st.text(max_size=40), max_size=20
).map(lambda value: json.dumps(value).encode())  # fmt: skip


@pytest.fixture
def connection(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    yield connection
    connection.close()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def send(connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    """Send the request; check that the answer is the sandbox's own."""
    connection.close()
    connection.request(method, path, body, {"Connection": "close", **headers})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 500 or answer.status == 509
    assert b"Traceback" not in text and b"Error(" not in text
    if answer.status >= 400 and method != "HEAD":
        json.loads(text)
    return answer


def signed(sandbox: Sandbox, method: str, path: str) -> dict[str, str]:
    auth: Any = BasicAuth(sandbox.key, sandbox.secret)
    if path.startswith("/api/v1"):
        resource = path.removeprefix("/api/v1/single/").partition("/")[0] if method == "GET" else ""
        auth = HmacAuth(sandbox.key, sandbox.secret).for_resource(resource)
    request = Request(method, f"{sandbox.url}/", auth=auth).prepare()
    return {name: value for name, value in request.headers.items() if name in ("Authorization", "X-ALTR-DATE")}


@FEW
@given(st.sampled_from(METHODS), st.sampled_from(PATHS), BODIES, st.booleans(), HEADER_TEXT)
def test_any_body(sandbox, connection, method, path, body, right, content_type):
    headers = {"Content-Type": content_type.strip() if right else "application/json"}
    send(connection, method, path, body, {**signed(sandbox, method, path), **headers})


@FEW
@given(
    st.sampled_from(["POST", "PUT", "GET"]),
    st.sampled_from(PATHS),
    st.dictionaries(
        st.sampled_from(
            [
                "Authorization",
                "X-ALTR-DATE",
                "X-ALTR-METADATA",
                "X-ALTR-DETERMINISM",
                "X-Content-Length-Hint",
                "Accept",
                "Expect",
                "Range",
                "Host",
                "Cookie",
                "Upgrade",
            ]
        ),  # fmt: skip
        HEADER_TEXT,
        max_size=5,
    ),
    st.booleans(),
)
def test_any_headers(sandbox, connection, method, path, headers, sign):
    send(connection, method, path, b'{"0": "x"}', {**(signed(sandbox, method, path) if sign else {}), **headers})


@FEW
@given(st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), max_size=200), st.booleans())
def test_any_path(sandbox, connection, path, below_single):
    path = f"/api/v1/single/{path}" if below_single else f"/{path}"
    send(connection, "GET", path, b"", signed(sandbox, "GET", path))


@FEW
@given(st.text(max_size=60), st.text(max_size=60))
def test_nobody_gets_in_with_other_credentials(sandbox, connection, key, secret):
    if (key, secret) == (sandbox.key, sandbox.secret):
        return
    basic = base64.b64encode(f"{key}:{secret}".encode("utf-8", "surrogatepass")).decode()
    classic = f"ALTR {key}:{basic}".encode("latin-1", "replace").decode("latin-1")
    classic = "".join(character for character in classic if character.isprintable())
    for path, authorization in (("/api/v2/batch", f"Basic {basic}"), ("/api/v1/batch", classic)):
        answer = send(connection, "POST", path, b'{"0": "x"}', {"Authorization": authorization, "X-ALTR-DATE": "now"})
        assert answer.status == 401
    assert len(sandbox.store) == 0
