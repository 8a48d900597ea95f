"""Hostile columns, answers, metadata and URLs: no request goes elsewhere, no error shows a value or the secret."""

from __future__ import annotations

import contextlib
import json
import string
from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_altr import vaults
from django_altr.backends.base import decode_metadata, encode_metadata, metadata_problem
from django_altr.conf import parse_altr_url
from django_altr.exceptions import AltrError, InvalidResponse, TokenNotFound
from django_altr.sandbox import Sandbox
from tests.leaks.canary import Canary
from tests.leaks.frames import leaks_in
from tests.models import Bare, Labelled, Person

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
BIRD = Canary("qZ7Canary4711vX")
SECRET = Canary("yK3Secret0815wQ")

TAMPERED = [
    "../../../etc/passwd", "..", ".", "/", "//evil.example/", "a/b", "a?b=c", "a#b", "a%2fb", "%2e%2e%2f", "http://evil/",
    "chain_x/../metadata", "chain_x/metadata", "\\..\\", "a\r\nHost: evil\r\n\r\n", "a\tb", "@evil.example", ":80",
    ";x", "Ä", "\u202e", "😀", " ", "  chain_x  ", "null", "true", "0", '"', "{}", "'; DROP TABLE tests_person; --",
]  # fmt: skip


@pytest.fixture
def hostile(sandbox: Sandbox, settings: Any, db: None) -> Any:
    settings.ALTR = {"default": sandbox.settings(timeout=2, retries=0, breaker_failures=0)}
    yield sandbox
    vaults.reset()


def tamper(row: Any, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET value = %s WHERE id = %s", [text, row.pk])


@pytest.mark.parametrize("text", TAMPERED)
def test_tampered_column_reaches_no_other_path(hostile, text):
    neighbour = Bare.objects.create(value="right")
    row = Bare.objects.create(value="x")
    tamper(row, text)
    hostile.reset(values=False)
    tampered = Bare.objects.get(pk=row.pk)
    with pytest.raises(TokenNotFound):
        _ = tampered.value
    rows = {each.pk: each for each in Bare.objects.prefetch_related("value")}
    assert rows[neighbour.pk].value == "right"
    with pytest.raises(TokenNotFound):
        _ = rows[row.pk].value
    only_documented_paths(hostile, text)


def only_documented_paths(sandbox: Sandbox, token: str) -> None:
    for request in sandbox.requests:
        assert request.path == "/api/v1/batch" or request.path.startswith(f"/api/v1/single/{quote(token, safe='')}")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="Only SQLite's columns take more than they promise.")
def test_column_of_a_megabyte_costs_nothing(hostile):
    row = Bare.objects.create(value="x")
    tamper(row, "a" * 1_000_000)
    hostile.reset(values=False)
    with pytest.raises(TokenNotFound):
        _ = Bare.objects.get(pk=row.pk).value
    assert hostile.count() == 0


@FEW
@given(st.text(min_size=1, max_size=300))
@example("\ud800")
@example("\0")
def test_any_text_as_a_token(hostile, text):
    with pytest.raises(TokenNotFound):
        vaults["default"].detokenize_many([text])
    for call in (vaults["default"].metadata, vaults["default"].status):
        with contextlib.suppress(TokenNotFound):
            call(text)
    for request in hostile.requests:
        assert request.path.startswith(("/api/v1/batch", "/api/v1/single/"))
        assert "/../" not in request.path
    hostile.reset()


ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=10,
)


@FEW
@given(
    ANSWERS.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200),
    st.sampled_from([200, 200, 200, 201, 204, 206, 400, 404, 418, 500]),
    st.booleans(),
)
def test_any_answer_gives_the_value_or_a_typed_error(hostile, body, status, overflow):
    backend = vaults["default"]
    headers = {"X-Overflow-Data": "true"} if overflow else {}
    for call in (
        lambda: backend.find_many(["chain_" + "0" * 64, "chain_" + "1" * 64]),
        lambda: backend.tokenize_many([BIRD.text, "b"]),
        lambda: backend.tokenize_many([BIRD.text], metadata="label"),
        lambda: backend.metadata("chain_" + "0" * 64),
        lambda: backend.status("chain_" + "0" * 64),
    ):
        with hostile.misbehave(status=status, body=body, headers=headers):
            try:
                call()
            except AltrError as error:
                assert leaks_in(error, BIRD) == []


@pytest.mark.parametrize("token", ["", " ", "x" * 300, "a\nb", BIRD.text, None, 7, ["x"]])
def test_token_that_does_not_fit_is_not_stored(hostile, token):
    row = Person.objects.create(name="old")
    before = row.name_token
    body = json.dumps({"success": True, "response": {"data": {"referenceToken": token}}})
    row.name = BIRD.text
    with hostile.misbehave(status=200, body=body), pytest.raises(InvalidResponse):
        row.save()
    assert Person.objects.get().name_token == before
    row.save()
    assert Person.objects.get().name == BIRD.text


def test_the_answer_that_repeats_the_plaintext_is_no_token(hostile):
    body = json.dumps({"0": BIRD.text})
    with hostile.misbehave(status=200, body=body), pytest.raises(InvalidResponse) as caught:
        Bare.objects.create(value=BIRD.text)
    assert leaks_in(caught.value, BIRD) == []
    assert Bare.objects.count() == 0


@FEW
@given(st.text(max_size=200) | st.text(st.characters(max_codepoint=300), max_size=200))
@example("a\r\nX-Evil: 1")
@example("a\nb")
@example("\0")
@example("x" * 10_000)
@example("Ä" * 3000)
@example("UTF-8''%0d%0a")
def test_metadata_is_refused_or_comes_back_as_it_was(hostile, label):
    if metadata_problem(label) is None:
        header = encode_metadata(label)
        assert header.isascii() and header.isprintable()
        assert decode_metadata(header) == label
        [token] = vaults["default"].tokenize_many(["x"], metadata=label)
        assert vaults["default"].metadata(token) == label
    else:
        hostile.reset()
        with pytest.raises(ValueError, match="[Mm]etadata"):
            vaults["default"].tokenize_many([BIRD.text], metadata=label)
        assert hostile.count() == 0


def test_metadata_of_a_callable_is_checked_before_anything_is_sent(hostile, monkeypatch):
    field = Labelled._meta.get_field("computed")
    monkeypatch.setattr(field, "metadata", lambda instance, field: "a\r\nX-Evil: 1")
    with pytest.raises(ValueError, match="control characters"):
        Labelled.objects.create(computed=BIRD.text)
    assert hostile.count() == 0


URL_TEXT = st.text(string.ascii_letters + string.digits + ":/?#[]@!$&'()*+,;=%.-_~ Ä\t\0", max_size=60)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["altr://", "altr+http://", "altr-vaulted://", "altr-locmem://", "", "http://"]), URL_TEXT, URL_TEXT
)
@example("altr://", "key:", "/#@host")
@example("altr://", "[", "]")
@example("", "", ":")
@example("altr://", "k:s@h:99999", "")
@example("altr://", "k:s@h?timeout=nan", "")
def test_any_url_is_an_entry_or_a_clean_error(scheme, before, after):
    try:
        entry = parse_altr_url(f"{scheme}{before}{SECRET.word}{after}")
    except ImproperlyConfigured as error:
        assert leaks_in(error, SECRET) == []
        assert error.__context__ is None
    else:
        assert entry["BACKEND"].startswith("django_altr.backends.")


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_key_and_secret_come_back_as_they_were(key, secret):
    for text in (key, secret):
        try:
            text.encode()
        except UnicodeEncodeError:
            return
    entry = parse_altr_url(f"altr://{quote(key, safe='')}:{quote(secret, safe='')}@host")
    assert (entry["KEY"], entry["SECRET"], entry["LOCATION"]) == (key, secret, "https://host")
