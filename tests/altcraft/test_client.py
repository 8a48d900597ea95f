"""The client against a real HTTP peer: every code, retries, duplicates, and what it leaves no trace of."""

from __future__ import annotations

import datetime
import json
import logging
import socket
import sys
import time
import traceback
import uuid
from decimal import Decimal
from typing import Any

import pytest
import requests

from django_altr.contrib.altcraft import clients
from django_altr.contrib.altcraft import exceptions as errors
from django_altr.contrib.altcraft.client import Client
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import DEFAULT_TOKEN, Altcraft, ApiToken
from django_altr.sandbox.altcraft_profiles import TEXTS

CANARY = "canary-7f3a@example.com"
IMPORT = "POST /api/v1.1/profiles/import"

CLASSES = {
    400: errors.IncorrectRequest,
    401: errors.TokenRequired,
    402: errors.TariffLimitReached,
    403: errors.NoRights,
    404: errors.ObjectNotFound,
    409: errors.AlreadyExists,
    413: errors.DatabaseNotAvailable,
    415: errors.UnsupportedContentType,
    429: errors.RequestLimitExceeded,
    435: errors.AmbiguousSearch,
    441: errors.WrongGroup,
    450: errors.ValidationFailed,
    500: errors.InternalError,
    501: errors.MethodNotFound,
}


def give(client: Client, email: str = CANARY, **params: Any) -> Any:
    return client.import_profile(db_id=1, email=email, data={"email": email, "_fname": "Jim"}, **params)


def test_the_platform_documents_these_codes() -> None:
    assert set(CLASSES) == set(errors.CODES) == set(TEXTS) - {0}


# Methods


def test_a_profile_is_added_changed_read_and_deleted(client: Client, platform: Altcraft) -> None:
    profile = give(client)["profile_id"]
    client.import_profile(db_id=1, matching="profile_id", profile_id=profile, data={"_lname": "Jones"})
    answer = client.get_profile(db_id=1, email=CANARY)
    assert answer["id"] == profile
    assert dict(answer["data"]) == {"email": CANARY, "_fname": "Jim", "_lname": "Jones"}
    client.delete_profile(db_id=1, matching="profile_id", profile_id=profile)
    assert platform.profiles() == []


def test_a_batch_answers_in_the_order_sent(client: Client) -> None:
    profiles = [{"email": "a@example.com"}, {"email": "wrong"}, {"email": "b@example.com"}]
    result = client.import_batch(profiles, db_id=1)["result"]
    assert [each["error"] for each in result] == [0, 450, 0]


def test_profiles_are_matched_by_phone_and_by_a_field_of_ones_own(client: Client, platform: Altcraft) -> None:
    client.import_batch(
        [{"phone": "+79000000000", "phones": ["+79000000000"]}, {"phone": "+79000000000", "phones": ["+79000000000"]}],
        db_id=1,
        matching="phone",
    )
    client.import_batch([{"crm": 7, "n": 1}, {"crm": 7, "n": 2}], db_id=1, matching="custom", field_name="crm")
    assert [profile.get("n") for profile in platform.profiles()] == [None, 2]


def test_dates_numbers_and_letters_arrive(client: Client, platform: Altcraft) -> None:
    day, number = datetime.date(2026, 1, 31), Decimal("1.50")
    client.import_profile(db_id=1, email=CANARY, data={"day": day, "number": number, "name": "Zoë 🐟"})
    (profile,) = platform.profiles()
    assert (profile["day"], profile["number"], profile["name"]) == ("2026-01-31", "1.50", "Zoë 🐟")


@pytest.mark.parametrize("bearer", [False, True])
def test_the_token_travels_in_the_body_or_as_bearer(
    client: Client, settings: Any, bearer: bool, sandbox: Sandbox
) -> None:
    settings.ALTCRAFT["default"]["OPTIONS"]["bearer"] = bearer
    clients.reset()
    assert give(clients["default"])["error"] == 0
    assert all(DEFAULT_TOKEN not in record.path for record in sandbox.requests)


def test_a_netrc_entry_does_not_replace_the_token(
    client: Client, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    settings.ALTCRAFT["default"]["OPTIONS"]["bearer"] = True
    clients.reset()
    assert give(clients["default"])["error"] == 0


@pytest.mark.parametrize("method", ["../profiles/get", "profiles/get?token=x", "", "/profiles"])
def test_the_name_of_a_method_leads_to_no_other_path(client: Client, sandbox: Sandbox, method: str) -> None:
    with pytest.raises(ValueError, match="name of a method"):
        client.call(method)
    assert sandbox.count() == 0


def test_values_that_are_no_json_are_not_sent(client: Client, sandbox: Sandbox) -> None:
    for value in (object(), float("nan"), "\ud800"):
        with pytest.raises(ValueError, match="cannot be written as JSON"):
            client.import_profile(db_id=1, email=CANARY, data={"value": value})
    assert sandbox.count() == 0


# Codes


@pytest.mark.parametrize("status", [200, None], ids=["under HTTP 200", "as HTTP status"])
@pytest.mark.parametrize("code", CLASSES)
def test_each_code_is_its_own_error(client: Client, sandbox: Sandbox, code: int, status: int | None) -> None:
    body = json.dumps({"error": code, "error_text": f"{TEXTS[code]}: {CANARY}"})
    with sandbox.misbehave(route=IMPORT, status=status or code, body=body), pytest.raises(CLASSES[code]) as caught:
        give(client)
    assert type(caught.value) is CLASSES[code]
    assert (caught.value.code, caught.value.method) == (code, "profiles/import")
    assert str(code) in str(caught.value)
    assert CANARY not in str(caught.value)


def test_the_sandbox_gives_these_codes_by_itself(client: Client, platform: Altcraft, settings: Any) -> None:
    def code_of(method: str = "profiles/import", *, token: str = DEFAULT_TOKEN, **params: Any) -> int:
        platform.add_token(ApiToken("reader", writes=False))
        platform.add_token(ApiToken("other", group="other"))
        settings.ALTCRAFT["default"]["TOKEN"] = token
        clients.reset()
        try:
            clients["default"].call(method, **{"db_id": 1, "matching": "email", **params})
        except errors.AltcraftError as error:
            return error.code or -1
        return 0

    jim = {"email": "jim@example.com", "data": {"email": "jim@example.com", "phones": ["+79000000000"]}}
    joe = {"email": "joe@example.com", "data": {"email": "joe@example.com", "phones": ["+79000000000"]}}
    assert code_of(**jim) == code_of(**joe) == 0
    assert code_of(email="x", data=[]) == 400
    assert code_of(token="nobody", **jim) == 401
    assert code_of(token="reader", **jim) == 403
    assert code_of("profiles/get", email="nobody@example.com") == 404
    assert code_of("profiles/delete", matching="profile_id", profile_id="0") == 404
    assert code_of(matching="profile_id", profile_id="0", data={}) == 404
    assert code_of(**{**jim, "db_id": 9}) == 404
    assert code_of(matching="custom", field_name="crm", field_value=1, data={"email": "JOE@example.com"}) == 409
    assert code_of(resource_id=9, **jim) == 413
    assert code_of("profiles/get", matching="phone", phone="+79000000000") == 435
    assert code_of("profiles/delete", token="other", email="jim@example.com") == 441
    assert code_of(email="no address", data={"email": "no address"}) == 450
    assert code_of("segments/create") == 501
    platform.tariff = 2
    assert code_of(email="new@example.com", data={"email": "new@example.com"}) == 402
    response = requests.post(clients["default"]._base + "profiles/get", data="{}", headers={"Content-Type": "text/xml"})
    assert response.json()["error"] == 415


def test_errors_are_of_the_familiar_kind_too() -> None:
    assert issubclass(errors.AltcraftTimeout, requests.Timeout)
    assert issubclass(errors.AltcraftConnectionError, requests.ConnectionError)
    assert issubclass(errors.ObjectNotFound, LookupError)
    assert issubclass(errors.TokenRequired, PermissionError)
    assert issubclass(errors.ValidationFailed, ValueError)


@pytest.mark.parametrize(
    "body", ["<html>", "[]", "{}", '{"error": "none"}', "", "\xff", '{"error": 0', '{"error": 0}'.encode("utf-16")]
)
def test_an_answer_that_is_no_answer_is_told(client: Client, sandbox: Sandbox, body: str | bytes) -> None:
    with sandbox.misbehave(route=IMPORT, body=body), pytest.raises(errors.InvalidAnswer, match="Check URL"):
        give(client)
    assert sandbox.count(IMPORT) == 1


def test_an_undocumented_code_is_told(client: Client, sandbox: Sandbox) -> None:
    with sandbox.misbehave(route=IMPORT, body='{"error": 799}'), pytest.raises(errors.UnknownCode, match="799"):
        give(client)


# Retries and duplicates


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "body": "<html>"},
        {"status": 502, "body": "<html>"},
        {"status": 429, "body": "slow down"},
        {"body": '{"error": 500}'},
        {"body": '{"error": 429}'},
        {"drop": "before"},
        {"drop": "lost"},
        {"drop": "middle"},
    ],
    ids=str,
)
def test_a_failure_is_retried_with_the_same_request_id(
    client: Client, sandbox: Sandbox, platform: Altcraft, fault: dict[str, Any]
) -> None:
    with sandbox.misbehave(route=IMPORT, times=2, **fault):
        give(client)
    assert sandbox.count(IMPORT) == 3
    assert len(platform.requests()) == len(platform.profiles()) == 1


@pytest.mark.parametrize("code", sorted(set(CLASSES) - {429, 500}))
def test_a_refusal_is_not_retried(client: Client, sandbox: Sandbox, code: int) -> None:
    with sandbox.misbehave(route=IMPORT, body=json.dumps({"error": code})), pytest.raises(errors.AltcraftError):
        give(client)
    assert sandbox.count(IMPORT) == 1


@pytest.mark.parametrize("prefix", ["", "X-"])
def test_the_answer_to_a_duplicate_is_recognized(client: Client, platform: Altcraft, prefix: str) -> None:
    platform.header_prefix = prefix
    request_id = uuid.uuid4()
    first = give(client, request_id=request_id)
    second = give(client, request_id=request_id)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first["profile_id"] == second["profile_id"]
    assert second.duplicate_key


def test_only_methods_that_change_something_carry_a_request_id(client: Client, platform: Altcraft) -> None:
    give(client)
    client.get_profile(db_id=1, email=CANARY)
    (request,) = platform.requests()
    assert uuid.UUID(request["request_id"])


def test_two_calls_are_two_requests(client: Client, platform: Altcraft) -> None:
    give(client)
    give(client)
    assert [request["seen"] for request in platform.requests()] == [1, 1]


def test_without_a_request_id_equal_requests_are_duplicates(client: Client, sandbox: Sandbox) -> None:
    body = {"token": DEFAULT_TOKEN, "db_id": 1, "email": "a@example.com", "data": {}}
    url = f"{sandbox.url}/api/v1.1/profiles/import"
    headers = [
        requests.post(url, json=each).headers.get("Duplicate-Request") for each in (body, body, {**body, "x": 1})
    ]
    assert headers == [None, "true", None]


def test_the_platform_forgets_a_request_after_a_day(client: Client, sandbox: Sandbox) -> None:
    give(client, request_id="one")
    sandbox.clock_offset = 24 * 60 * 60 - 60
    assert give(client, request_id="one").duplicate
    sandbox.clock_offset = 24 * 60 * 60 + 60
    assert not give(client, request_id="one").duplicate


def test_the_budget_bounds_all_tries(client: Client, sandbox: Sandbox, settings: Any) -> None:
    settings.ALTCRAFT["default"]["OPTIONS"] |= {"timeout": 0.2, "budget": 0.5, "retries": 100}
    clients.reset()
    started = time.monotonic()
    with sandbox.misbehave(route=IMPORT, latency=0.4), pytest.raises(errors.AltcraftTimeout, match="in time"):
        give(clients["default"])
    assert time.monotonic() - started < 1.5


def test_retry_after_is_obeyed_within_the_budget(client: Client, sandbox: Sandbox) -> None:
    started = time.monotonic()
    with sandbox.misbehave(route=IMPORT, times=1, status=429, headers={"Retry-After": "1"}):
        give(client)
    assert time.monotonic() - started >= 1
    with sandbox.misbehave(route=IMPORT, status=429, headers={"Retry-After": "3600"}):
        started = time.monotonic()
        with pytest.raises(errors.RequestLimitExceeded):
            give(client)
    assert time.monotonic() - started < 1


def test_a_retry_after_that_says_nothing_is_passed_over(client: Client, sandbox: Sandbox) -> None:
    with sandbox.misbehave(route=IMPORT, times=1, status=429, headers={"Retry-After": "soon"}):
        assert give(client)["error"] == 0


def test_a_closed_client_can_be_used_again(client: Client, sandbox: Sandbox) -> None:
    for _ in range(2):
        give(client)
        client.close()
    assert sandbox.connections == 2


def test_a_platform_that_is_not_there_is_told(client: Client, settings: Any) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.ALTCRAFT["default"]["URL"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        clients.reset()
        with pytest.raises(errors.AltcraftConnectionError, match="could not be reached"):
            give(clients["default"])


def test_a_redirect_is_not_followed(client: Client, sandbox: Sandbox) -> None:
    headers = {"Location": f"{sandbox.url}/api/v1.1/profiles/get"}
    with sandbox.misbehave(route=IMPORT, status=307, headers=headers, body=""), pytest.raises(errors.InvalidAnswer):
        give(client)
    assert sandbox.count() == 1


def test_one_connection_serves_all_calls(client: Client, sandbox: Sandbox) -> None:
    for _ in range(5):
        give(client)
    assert sandbox.connections == 1


# Traces


FAULTS = [{"status": 500}, {"drop": "before"}, {"drop": "middle"}, {"body": CANARY}, {"body": '{"error": 450}'}]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("bearer", [False, True])
def test_an_error_leaves_no_trace_of_data_or_token(
    client: Client,
    sandbox: Sandbox,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    fault: dict[str, Any],
    bearer: bool,
) -> None:
    settings.ALTCRAFT["default"]["OPTIONS"] |= {"bearer": bearer}
    clients.reset()
    caplog.set_level(logging.DEBUG)
    with sandbox.misbehave(route=IMPORT, **fault):
        text = traces_of(lambda: give(clients["default"]))
    for secret in (CANARY, DEFAULT_TOKEN):
        assert secret not in text
        assert secret not in caplog.text
    assert all(DEFAULT_TOKEN not in record.path for record in sandbox.requests)


def test_objects_show_nothing(client: Client) -> None:
    answer = give(client)
    shown = repr(client) + repr(answer) + repr(client.get_profile(db_id=1, email=CANARY)) + str(client)
    assert CANARY not in shown
    assert DEFAULT_TOKEN not in shown


def traces_of(call: Any) -> str:
    """Return all that an error report could show: messages, attributes, chains, local variables of our frames."""
    try:
        call()
    except errors.AltcraftError as error:
        caught: BaseException | None = error
    parts = []
    while caught is not None:
        parts += [str(caught), repr(caught), repr(caught.args), repr(vars(caught))]
        parts += traceback.format_exception(caught)
        frame = caught.__traceback__
        while frame is not None:
            if (
                "/django_altr/" in frame.tb_frame.f_code.co_filename
                or "/requests/" in frame.tb_frame.f_code.co_filename
            ):
                parts += [f"{name}={value!r}" for name, value in frame.tb_frame.f_locals.items()]
            frame = frame.tb_next
        caught = caught.__cause__ or caught.__context__
    assert sys.exc_info() == (None, None, None)
    return "\n".join(parts)
