"""Values of every base field come back as they were."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from django_altr import vaults
from django_altr.fields import InvalidValue
from django_altr.fields.codecs import decode, encode
from tests.models import Everything, Options

from .conftest import column

ROUND_TRIPS = [
    ("char", "Ada Lovelace"),
    ("char", ""),
    ("char", "   "),
    ("char", "a\x00b"),
    ("char", "👩🏽‍🚀 naïve"),
    ("char", "\u202eright to left\u202c שלום"),
    ("char", "line\r\nbreak\ttab"),
    ("char", "chain_" + "0" * 64),
    ("char", "null"),
    ("text", "x" * 3072),
    ("text", "é" * 3000),
    ("text", "y" * 1_000_000),
    ("email", "ada@example.org"),
    ("url", "https://example.org/?q=1&r=%20"),
    ("slug", "a-slug_1"),
    ("integer", 0),
    ("integer", -(2**31)),
    ("small", -32768),
    ("positive", 2**31 - 1),
    ("positive_small", 0),
    ("positive_big", 2**63 - 1),
    ("big", -(2**63)),
    ("boolean", False),
    ("boolean", True),
    ("decimal", Decimal("0.00")),
    ("decimal", Decimal("-1234567890.12")),
    ("float", 0.0),
    ("float", 1e-300),
    ("float", 0.1 + 0.2),
    ("date", date(1815, 12, 10)),
    ("datetime", datetime(2026, 11, 21, 22, 30, 0, 123456, tzinfo=UTC)),
    ("datetime", datetime(2026, 11, 21, 22, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    ("time", time(23, 59, 59, 999999)),
    ("duration", timedelta(days=-1, microseconds=1)),
    ("uuid", uuid.UUID(int=0)),
    ("json", {"a": [1, None, True, {"ü": "\x00"}]}),
    ("json", []),
    ("json", ""),
    ("json", 0),
    ("json", False),
    ("binary", b"\x00\xff bytes"),
    ("binary", b""),
    ("ip", "2001:db8::1"),
    ("ip", "127.0.0.1"),
    ("money", 250),
]


@pytest.mark.parametrize(("name", "value"), ROUND_TRIPS, ids=lambda each: repr(each)[:30])
def test_value_round_trips_exactly(vault, name, value):
    pk = Everything.objects.create(**{name: value}).pk
    read = getattr(Everything.objects.get(pk=pk), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(("name", "value"), [each for each in ROUND_TRIPS if each[1] not in ("", b"")])
def test_column_holds_a_reference_token_only(vault, name, value):
    instance = Everything.objects.create(**{name: value})
    (raw,) = column(Everything, name)
    assert raw == getattr(instance, f"{name}_token")
    assert vault.is_token(raw)


@pytest.mark.parametrize("name", [field.name for field in Everything._meta.fields if field.name != "id"])
def test_none_is_null(vault, name):
    pk = Everything.objects.create(**{name: None}).pk
    assert column(Everything, name) == [None]
    assert getattr(Everything.objects.get(pk=pk), name) is None
    assert vault.writes == []


def test_empty_text_is_stored_as_it_is(vault):
    pk = Everything.objects.create(char="").pk
    assert column(Everything, "char") == [""]
    assert Everything.objects.get(pk=pk).char == ""
    assert vault.writes == vault.reads == []


def test_vault_stores_readable_text(vault):
    instance = Everything.objects.create(char="Ada", integer=42, date=date(2026, 1, 2), boolean=False)
    names = ("char", "integer", "date", "boolean")
    stored = vault.detokenize_many([getattr(instance, f"{name}_token") for name in names])
    assert set(stored.values()) == {"Ada", "42", "2026-01-02", "False"}


def test_json_encoder_of_the_base_field_is_used(vault):
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    pk = Everything.objects.create(json={"at": moment}).pk
    assert Everything.objects.get(pk=pk).json == {"at": "2026-01-02T00:00:00Z"}


def test_aware_datetime_is_read_in_utc(vault):
    moment = datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=2)))
    pk = Everything.objects.create(datetime=moment).pk
    assert Everything.objects.get(pk=pk).datetime.utcoffset() == timedelta(0)


def test_naive_datetime_warns_without_the_value(vault):
    with pytest.warns(RuntimeWarning, match="received a naive datetime") as caught:
        Everything.objects.create(datetime=datetime(1999, 12, 31))
    assert "1999" not in str(caught[0].message)


def test_assigned_text_is_converted_as_the_base_field_does(vault):
    pk = Everything.objects.create(integer="7", decimal="1.5", date="2026-01-02").pk
    read = Everything.objects.get(pk=pk)
    assert (read.integer, read.decimal, read.date) == (7, Decimal("1.50"), date(2026, 1, 2))


@pytest.mark.parametrize(("name", "value"), [("integer", "canary"), ("date", "canary"), ("char", "\ud800canary")])
def test_value_that_the_base_field_refuses_is_named_without_itself(vault, name, value):
    with pytest.raises(InvalidValue, match=f"tests.Everything.{name} cannot store this value") as caught:
        Everything.objects.create(**{name: value})
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None
    assert vault.writes == []


def test_refused_value_is_both_familiar_errors(vault):
    with pytest.raises(ValueError):
        Everything.objects.create(integer="x")
    with pytest.raises(ValidationError):
        Everything.objects.create(integer="x")


def test_text_that_the_base_field_cannot_read_is_named_without_itself(vault):
    (token,) = vault.tokenize_many(["canary"])
    instance = Everything.objects.create(integer_token=token)
    instance = Everything.objects.get()
    with pytest.raises(InvalidValue, match="cannot be read as IntegerField") as caught:
        instance.integer  # noqa: B018
    assert "canary" not in repr(caught.value)


def test_choices_give_the_display_method(vault):
    Options.objects.create(level="g")
    assert Options.objects.get().get_level_display() == "Gold"


def test_defaults_are_tokenized_for_each_row(vault):
    first, second = Options.objects.create(), Options.objects.create()
    assert first.code != second.code
    assert first.score == 0
    assert first.level_token != second.level_token
    assert [each.tags for each in Options.objects.all()] == [[], []]


def test_mutable_default_is_not_shared(vault):
    first, second = Options(), Options()
    first.tags.append("x")
    assert second.tags == []


def test_automatic_dates_are_set_as_django_sets_them(vault):
    instance = Options.objects.create()
    created, changed = instance.created, instance.changed
    instance.save()
    read = Options.objects.get()
    assert read.created == created
    assert read.changed > changed


class Texts(TestCase):
    @settings(max_examples=50, deadline=None)
    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
    def test_any_text_round_trips(self, text):
        pk = Everything.objects.create(text=text).pk
        assert Everything.objects.get(pk=pk).text == text
        vaults["default"].clear()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_any_json_has_a_text(value):
    field = Everything._meta.get_field("json").base_field
    assert decode(field, encode(field, value)) == value


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_equal_decimals_have_equal_texts(value):
    field = Everything._meta.get_field("decimal").base_field
    assert encode(field, value) == encode(field, value.normalize())
