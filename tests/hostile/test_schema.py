"""Requests made from the API's description, right and wrong ones: every answer is one that the description has."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requests.auth import AuthBase

from django_altr.http import BasicAuth, HmacAuth
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import DEFAULT_TOKEN

from .openapi import KNOWN_CHAIN, KNOWN_CRITICAL, KNOWN_EMAIL, KNOWN_VAULTED, OPENAPI, OPERATIONS

#: The same requests in every run.
REPEATABLE = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
SINGLE = "/api/v1/single/"

pytestmark = pytest.mark.slow


class Bearer(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {DEFAULT_TOKEN}"
        return request


class Signature(AuthBase):
    """The classic signature of whatever token the path has in the end."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._auth = HmacAuth(sandbox.key, sandbox.secret)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        _, below, rest = urlsplit(request.url or "").path.partition(SINGLE)
        parts = re.split("%2F", rest.partition("/")[0], flags=re.IGNORECASE)
        # The server leaves a slash that is encoded as it is.
        token = "%2F".join(unquote(part) for part in parts) if below else ""
        return self._auth.for_resource(token)(request)


def credentials(sandbox: Sandbox, path: str) -> AuthBase:
    if path.startswith("/api/v1.1/"):
        return Bearer()
    return Signature(sandbox) if path.startswith("/api/v1/") else BasicAuth(sandbox.key, sandbox.secret)


@pytest.fixture(scope="module")
def described() -> Any:
    # Here, and not above: a second that every process of the suite would spend to collect this file.
    import schemathesis

    return schemathesis.openapi.from_dict(OPENAPI)


@pytest.fixture
def stocked(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> Iterator[Sandbox]:
    """Give a sandbox that holds what the description calls known; check that nothing failed inside."""
    sandbox.store.add(KNOWN_CHAIN, "Ada é".encode(), "shop.Customer.name é".encode())
    sandbox.store.add(KNOWN_VAULTED, b"Ada")
    sandbox.store.add(KNOWN_CRITICAL, b"Ada")
    profile = {"db_id": 1, "matching": "email", "email": KNOWN_EMAIL, "data": {"_fname": "Ada"}}
    requests.post(f"{sandbox.url}/api/v1.1/profiles/import", json=profile, auth=Bearer(), timeout=10)
    yield sandbox
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
def send(stocked: Sandbox, described: Any) -> Iterator[Callable[..., Any]]:
    """Give a function that sends a case and checks the answer against the description."""
    from schemathesis.specs.openapi import checks

    conformance = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]

    def send(case: Any, auth: AuthBase | None) -> Any:
        answer = case.call(base_url=stocked.url, session=session, auth=auth, timeout=10)
        assert answer.status_code < 500 or answer.status_code == 509
        if answer.status_code >= 400:
            assert b"Traceback" not in answer.content and b"Error(" not in answer.content
            json.loads(answer.content)
        case.validate_response(answer, checks=conformance)
        return answer

    with requests.Session() as session:
        session.trust_env = False
        yield send


def right_ones(described: Any, method: str, path: str) -> st.SearchStrategy[Any]:
    """Return requests as the description has them."""
    return described[path][method].as_strategy()


def wrong_ones(described: Any, method: str, path: str) -> st.SearchStrategy[Any]:
    """Return requests that break the description somewhere."""
    from schemathesis import GenerationMode

    return described[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE)


def refused(answer: Any) -> bool:
    """Tell whether the request had no effect. Altcraft says so in the body, and may say 200 above it."""
    return answer.status_code >= 400 or (is_json(answer) and answer.json().get("error", 0) != 0)


def is_json(answer: Any) -> bool:
    return answer.headers["content-type"] == ["application/json"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_documented(stocked, described, send, method, path):
    outcomes, auth = set(), credentials(stocked, path)

    @settings(REPEATABLE, max_examples=20)
    @given(right_ones(described, method, path) | wrong_ones(described, method, path), st.booleans())
    def check(case, http_errors):
        stocked.altcraft.http_errors = http_errors
        answer = send(case, auth)
        assert answer.status_code != 401, "The request was not signed as it should be."
        outcomes.add(refused(answer))

    check()
    assert False in outcomes, "Nothing got through."


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_credentials_nothing_is_given_or_changed(stocked, described, send, method, path):
    held = len(stocked.store), stocked.altcraft.profiles()

    @settings(REPEATABLE, max_examples=8)
    @given(right_ones(described, method, path), st.booleans())
    def check(case, http_errors):
        stocked.altcraft.http_errors = http_errors
        assert refused(send(case, None))

    check()
    assert (len(stocked.store), stocked.altcraft.profiles()) == held
