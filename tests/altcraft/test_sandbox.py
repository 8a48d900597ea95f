"""The sandbox's Altcraft: whatever is asked of it, and what it keeps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import DEFAULT_TOKEN, ApiToken

ROOT = Path(__file__).resolve().parent.parent.parent
BASE = "/api/v1.1/profiles/"
JSON_TYPE = {"Content-Type": "application/json"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=6,
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "db_id": st.just(1) | JSON,
        "resource_id": st.just(1) | JSON,
        "matching": st.sampled_from(["email", "phone", "profile_id", "custom"]) | JSON,
        "email": st.just("a@example.com") | JSON,
        "phone": st.just("+79000000000") | JSON,
        "profile_id": JSON,
        "field_name": st.just("crm") | JSON,
        "field_value": JSON,
        "data": st.dictionaries(st.sampled_from(["email", "phones", "crm", "_fname"]), JSON) | st.lists(JSON) | JSON,
    },
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Sandbox() as sandbox:
        yield sandbox.url


@given(method=st.sampled_from(["import", "import_batch", "delete", "get", "nothing"]), params=PARAMS)
@settings(max_examples=300, deadline=None)
def test_no_request_makes_it_fail(url: str, method: str, params: dict[str, Any]) -> None:
    body = json.dumps({"token": DEFAULT_TOKEN, **params})
    response = requests.post(url + BASE + method, data=body, headers=JSON_TYPE)
    assert response.status_code == 200
    assert response.json()["error"] != 500


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"text"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_an_incorrect_request(url: str, body: bytes) -> None:
    assert requests.post(f"{url}{BASE}get", data=body, headers=JSON_TYPE).json()["error"] == 400


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_have_is_an_incorrect_request(sandbox: Sandbox, value: str) -> None:
    assert ask_for(sandbox, value, "import", data={"crm": "VALUE"}) == 400
    assert sandbox.altcraft.profiles() == []


@pytest.mark.parametrize("depth", [900, 1200, 1900])
def test_no_value_makes_a_later_search_fail(sandbox: Sandbox, depth: int) -> None:
    assert ask_for(sandbox, "[" * depth + "]" * depth, "import", data={"crm": "VALUE"}) in (0, 400, 450)
    assert ask_for(sandbox, "x", "get", matching="custom", field_name="crm", field_value="x") == 404


def ask_for(sandbox: Sandbox, value: str, method: str, **params: Any) -> int:
    """Send a request with a JSON text in place of VALUE; return the answer's error."""
    params = {"token": DEFAULT_TOKEN, "db_id": 1, "matching": "email", "email": "a@example.com", **params}
    body = json.dumps(params).replace('"VALUE"', value)
    return int(requests.post(f"{sandbox.url}{BASE}{method}", data=body, headers=JSON_TYPE).json()["error"])


def test_errors_can_be_http_statuses_too(sandbox: Sandbox) -> None:
    sandbox.altcraft.http_errors = True
    assert requests.post(f"{sandbox.url}{BASE}get", json={"token": "nobody"}).status_code == 401


def test_the_bearer_header_counts_before_the_body(sandbox: Sandbox) -> None:
    sandbox.altcraft.add_token(ApiToken("reader", writes=False))
    response = requests.post(
        f"{sandbox.url}{BASE}import", json={"token": DEFAULT_TOKEN}, headers={"Authorization": "Bearer reader"}
    )
    assert response.json()["error"] == 403
    assert "reader" not in repr(sandbox.altcraft.tokens["reader"])


def test_a_refused_request_is_not_remembered(sandbox: Sandbox) -> None:
    body = {"token": DEFAULT_TOKEN, "db_id": 1, "email": "a@example.com", "data": {"email": "wrong"}}
    url, headers = f"{sandbox.url}{BASE}import", {"Request-ID": "one"}
    assert requests.post(url, json=body, headers=headers).json()["error"] == 450
    body["data"] = {}
    response = requests.post(url, json=body, headers=headers)
    assert response.json()["error"] == 0
    assert "Duplicate-Request" not in response.headers


def test_the_same_request_id_of_another_token_is_another_request(sandbox: Sandbox) -> None:
    sandbox.altcraft.add_token(ApiToken("second"))
    body = {"db_id": 1, "email": "a@example.com", "data": {}}
    for token in (DEFAULT_TOKEN, "second"):
        response = requests.post(
            f"{sandbox.url}{BASE}import", json={"token": token, **body}, headers={"Request-ID": "one"}
        )
        assert "Duplicate-Request" not in response.headers


@pytest.mark.slow
def test_profiles_and_requests_survive_a_kill(tmp_path: Path) -> None:
    def start() -> tuple[subprocess.Popen[str], str]:
        options = ["--port", "0", "--data", str(tmp_path / "vault"), "--control"]
        command = [sys.executable, "-m", "django_altr.sandbox", *options]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        while not (found := re.search(r"http://[\d.:]+", process.stdout.readline())):
            time.sleep(0.01)
        return process, found[0]

    def give(url: str, email: str, request_id: str) -> Any:
        body = {"token": DEFAULT_TOKEN, "db_id": 1, "email": email, "data": {}}
        return requests.post(f"{url}{BASE}import", json=body, headers={"Request-ID": request_id})

    process, url = start()
    try:
        first = give(url, "a@example.com", "one").json()
        process.kill()
        process.communicate()
        process, url = start()
        again = give(url, "a@example.com", "one")
        assert (again.json(), again.headers["Duplicate-Request"]) == (first, "true")
        look = requests.get(f"{url}/_sandbox/altcraft").json()
        assert look == {"profiles": 1, "requests": [{"request_id": "one", "method": "profiles/import", "seen": 2}]}
    finally:
        process.kill()
        process.communicate()
