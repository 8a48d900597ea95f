"""A plain ModelSerializer gives a tokenized field the serializer field of its base type."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from django_altr.rest_framework import TokenizedSerializerField
from tests.models import Account, Base, Concrete, Everything, Options, Person

from .api import RevealedAccount, RevealedEverything, RevealedOptions, RevealedPerson, serializer

SERIALIZER_FIELDS = {
    "char": serializers.CharField,
    "text": serializers.CharField,
    "email": serializers.EmailField,
    "url": serializers.URLField,
    "slug": serializers.SlugField,
    "integer": serializers.IntegerField,
    "small": serializers.IntegerField,
    "positive": serializers.IntegerField,
    "positive_small": serializers.IntegerField,
    "positive_big": serializers.IntegerField,
    "big": serializers.BigIntegerField,
    "boolean": serializers.BooleanField,
    "decimal": serializers.DecimalField,
    "float": serializers.FloatField,
    "date": serializers.DateField,
    "datetime": serializers.DateTimeField,
    "time": serializers.TimeField,
    "duration": serializers.DurationField,
    "uuid": serializers.UUIDField,
    "json": serializers.JSONField,
    "binary": serializers.ModelField,
    "ip": serializers.IPAddressField,
    "money": serializers.ModelField,
}

#: Name, what a client sends, the value on the instance, what a client gets.
VALUES = [
    ("char", "Ada", "Ada", "Ada"),
    ("email", "ada@example.org", "ada@example.org", "ada@example.org"),
    ("url", "https://example.org/", "https://example.org/", "https://example.org/"),
    ("slug", "a-slug", "a-slug", "a-slug"),
    ("integer", "42", 42, 42),
    ("integer", 0, 0, 0),
    ("boolean", False, False, False),
    ("decimal", "1.50", Decimal("1.50"), "1.50"),
    ("float", 0.5, 0.5, 0.5),
    ("date", "1815-12-10", date(1815, 12, 10), "1815-12-10"),
    ("datetime", "2026-11-21T22:30:00Z", datetime(2026, 11, 21, 22, 30, tzinfo=UTC), "2026-11-21T22:30:00Z"),
    ("time", "23:59:59", time(23, 59, 59), "23:59:59"),
    ("duration", "1 02:00:00", timedelta(days=1, hours=2), "1 02:00:00"),
    ("uuid", str(uuid.UUID(int=7)), uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ("json", {"a": [1, None, {"b": "ü"}]}, {"a": [1, None, {"b": "ü"}]}, {"a": [1, None, {"b": "ü"}]}),
    ("ip", "2001:db8::1", "2001:db8::1", "2001:db8::1"),
    ("money", "150 cents", 150, 150),
    ("char", None, None, None),
    ("integer", None, None, None),
]


@pytest.mark.parametrize("name", SERIALIZER_FIELDS)
def test_the_serializer_field_is_the_base_types(name):
    field = serializer(Everything)().fields[name]
    assert isinstance(field, SERIALIZER_FIELDS[name])
    assert isinstance(field, TokenizedSerializerField)


@pytest.mark.parametrize(("name", "sent", "value", "shown"), VALUES)
def test_values_go_in_and_out_as_the_base_type(vault, name, sent, value, shown):
    bound = RevealedEverything(data={name: sent})
    assert bound.is_valid(), bound.errors
    saved = Everything.objects.get(pk=bound.save().pk)
    assert getattr(saved, name) == value
    assert json.loads(JSONRenderer().render(RevealedEverything(saved).data))[name] == shown


def test_binary_is_read_only_and_shown_as_base64(vault):
    row = Everything.objects.create(binary=b"\x00\xff")
    assert RevealedEverything(row).data["binary"] == "AP8="
    assert RevealedEverything().fields["binary"].read_only


def test_the_length_is_the_values_not_the_columns():
    assert RevealedPerson().fields["name"].max_length == 200
    assert RevealedEverything().fields["char"].max_length == 5000
    assert RevealedEverything().fields["text"].max_length is None


@pytest.mark.parametrize(
    ("name", "sent", "code"),
    [
        ("name", "x" * 201, "max_length"),
        ("name", "", "blank"),
        ("name", None, "null"),
        ("email", "no address", "invalid"),
    ],
)
def test_input_is_validated_as_the_base_type(vault, name, sent, code):
    bound = RevealedPerson(data={"name": "Ada", "email": "ada@example.org", name: sent})
    assert not bound.is_valid()
    assert [error.code for error in bound.errors[name]] == [code]
    assert vault.calls == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("integer", "many"),
        ("decimal", "1.505"),
        ("date", "yesterday"),
        ("uuid", "1"),
        ("positive_small", -1),
        ("ip", "1.2.3"),
    ],
)
def test_wrong_values_of_other_types_are_refused(vault, name, sent):
    bound = RevealedEverything(data={name: sent})
    assert not bound.is_valid()
    assert list(bound.errors) == [name]


def test_null_and_blank_are_the_base_fields():
    fields = RevealedPerson().fields
    assert (fields["name"].required, fields["name"].allow_null, fields["name"].allow_blank) == (True, False, False)
    assert (fields["ssn"].required, fields["ssn"].allow_null, fields["ssn"].allow_blank) == (False, True, True)


def test_choices_are_the_base_fields(vault):
    assert isinstance(RevealedOptions().fields["level"], serializers.ChoiceField)
    assert RevealedOptions(data={"level": "g"}).is_valid()
    bound = RevealedOptions(data={"level": "x"})
    assert not bound.is_valid()
    assert bound.errors["level"][0].code == "invalid_choice"


def test_defaults_are_the_models(vault):
    bound = RevealedOptions(data={})
    bound.is_valid(raise_exception=True)
    saved = Options.objects.get(pk=bound.save().pk)
    assert (saved.level, saved.score, saved.tags) == ("s", 0, [])


def test_automatic_dates_are_read_only(vault):
    row = Options.objects.create()
    assert RevealedOptions().fields["created"].read_only
    assert RevealedOptions(row).data["created"] == serializers.DateTimeField().to_representation(row.created)


def test_the_unique_validator_stays():
    (validator,) = (each for each in RevealedAccount().fields["iban"].validators if hasattr(each, "queryset"))
    assert validator.queryset.model is Account


def test_children_of_an_abstract_model_keep_their_own_field():
    assert Base._meta.abstract
    field = serializer(Concrete, ["secret"])().fields["secret"]
    assert isinstance(field, TokenizedSerializerField)
    assert field.max_length == 30


def test_the_token_attribute_is_a_text_that_only_goes_out(vault):
    person = Person.objects.create(name="Ada", email="ada@example.org")
    row = Person.objects.get(pk=person.pk)
    vault.forget()
    Tokens = serializer(Person, ["name_token", "ssn_token"])
    data = Tokens(row).data
    assert data == {"name_token": row.name_token, "ssn_token": None}
    assert type(data["name_token"]) is str
    assert Tokens().fields["name_token"].read_only
    assert vault.calls == []


def test_methods_and_properties_of_the_model_are_untouched(vault):
    assert serializer(Person, ["pk"])(Person(pk=7)).data == {"pk": 7}


def test_serializers_of_other_models_are_untouched():
    class Plain(serializers.ModelSerializer):
        class Meta:
            model = Person
            fields = ["age", "team"]

    assert [type(field) for field in Plain().fields.values()] == [serializers.IntegerField, serializers.CharField]


def test_a_field_class_of_ones_own_can_be_made_tokenized(vault):
    class Upper(serializers.CharField):
        def to_representation(self, value):
            return value.upper()

    class TokenizedUpper(TokenizedSerializerField, Upper): ...

    class Revealing(serializers.ModelSerializer):
        name = TokenizedUpper()

        class Meta:
            model = Person
            fields = ["name"]
            reveal = ["name"]

    assert Revealing(Person.objects.create(name="Ada", email="")).data == {"name": "ADA"}
