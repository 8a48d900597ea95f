"""Whatever fails, the error and the frames of ours that it passes through hold no plaintext."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.test.utils import isolate_apps

from django_altr import vaults
from django_altr.exceptions import AltrError, ServiceUnavailable, ValueTooLarge
from django_altr.fields import InvalidValue, TokenizedField
from django_altr.signals import detokenized
from tests.fields.conftest import vault
from tests.models import Account, Bare, Everything, Person

from .canary import Canary
from .frames import leaks_in

__all__ = ["vault"]

BIRD = Canary("qZ7Canary4711vX")


def fails(call: Callable[[], object], expected: type[BaseException]) -> BaseException:
    with pytest.raises(expected) as caught:
        call()
    assert leaks_in(caught.value, BIRD) == []
    return caught.value


@pytest.fixture
def person(vault):
    return Person.objects.create(name=BIRD.text, email="a@example.com")


def outage(vault: Any) -> None:
    vault.fail_with(ServiceUnavailable("down"))


def changed(person: Person) -> Person:
    person = Person.objects.get(pk=person.pk)
    person.name = BIRD.text
    return person


FAILING: dict[str, Callable[[Person], object]] = {
    "read": lambda person: Person.objects.get().name,
    "prefetch": lambda person: list(Person.objects.prefetch_related("name")),
    "values": lambda person: Person.objects.values_list("name", flat=True).get()(),
    "save": lambda person: changed(person).save(),
    "save of one field": lambda person: changed(person).save(update_fields=["name"]),
    "save of a new row": lambda person: Person(name=BIRD.text).save(),
    "create": lambda person: Person.objects.create(name=BIRD.text),
    "bulk_create": lambda person: Person.objects.bulk_create([Person(name=BIRD.text) for _ in range(3)]),
    "bulk_update": lambda person: Person.objects.bulk_update([changed(person)], ["name"]),
    "update": lambda person: Person.objects.update(name=BIRD.text),
    "update_or_create": lambda person: Person.objects.update_or_create(pk=person.pk, defaults={"name": BIRD.text}),
    "get_or_create": lambda person: Account.objects.get_or_create(iban=BIRD.text),
    "exact": lambda person: Account.objects.filter(iban=BIRD.text).exists(),
    "in": lambda person: list(Account.objects.filter(iban__in=[BIRD.text, "x"])),
    "several vault calls": lambda person: Account(iban=BIRD.text, note=BIRD.text).save(),
    "asave": lambda person: _run(changed(person).asave()),
}


def _run(coroutine: Any) -> Any:
    from asgiref.sync import async_to_sync

    async def main() -> Any:
        return await coroutine

    return async_to_sync(main)()


@pytest.mark.parametrize("operation", FAILING.values(), ids=FAILING.keys())
def test_outage(vault, person, operation):
    outage(vault)
    error = fails(lambda: operation(person), ServiceUnavailable)
    assert error.__cause__ is None


class PersonForm(forms.ModelForm):
    class Meta:
        model = Person
        fields = ["name", "email"]


def test_outage_while_a_form_is_saved(vault, person):
    outage(vault)
    form = PersonForm({"name": BIRD.text, "email": "b@example.com"}, instance=Person.objects.get())
    fails(lambda: form.is_valid() and form.save(), ServiceUnavailable)


def test_refused_by_the_form(vault, person):
    form = PersonForm({"name": BIRD.text * 50, "email": BIRD.text}, instance=Person.objects.get())
    assert not form.is_valid()
    assert BIRD.found_in(repr(form) + repr(form.fields) + str(form.errors.as_data())) == []


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (Person, "email", BIRD.text),
        (Person, "name", BIRD.text * 50),
        (Everything, "integer", BIRD.text),
        (Everything, "date", BIRD.text),
        (Everything, "datetime", BIRD.text),
        (Everything, "uuid", BIRD.text),
        (Everything, "decimal", BIRD.text),
        (Everything, "ip", BIRD.text),
        (Everything, "url", BIRD.text),
        (Everything, "boolean", BIRD.text),
        (Everything, "duration", BIRD.text),
        (Everything, "json", {BIRD.text: {1}}),
    ],
)
@pytest.mark.parametrize("step", ["full_clean", "save", "update", "clean"])
def test_refused_by_the_base_field(vault, model, name, value, step):
    instance = model(**{name: value})
    field = model._meta.get_field(name)
    calls = {
        "full_clean": lambda: instance.full_clean(),
        "clean": lambda: field.clean(value, None),
        "save": lambda: instance.save(),
        "update": lambda: model.objects.update(**{name: value}) or Bare().full_clean(),
    }
    if (model is Person or name in ("url", "ip")) and step in ("save", "update"):
        pytest.skip("Only validation refuses it.")
    if step == "update":
        model.objects.create()
    fails(calls[step], ValueError if step in ("save", "update") else ValidationError)


@pytest.mark.parametrize("text", [BIRD.text + "\ud800", BIRD.text + "\x00"])
def test_text_that_cannot_be_encoded(vault, person, text):
    person.name = text
    try:
        person.save()
    except ValueError as error:
        assert leaks_in(error, BIRD) == []


def test_text_that_the_base_field_cannot_read(vault):
    row = Everything.objects.create(integer=1, json={"a": 1}, date="2020-01-01", binary=b"1")
    for name in ("integer", "json", "date", "binary"):
        token = vaults["default"].tokenize_many([BIRD.text])[0]
        vault.backend._store.values[str(getattr(row, f"{name}_token"))] = vault.backend._store.values[token]
    row = Everything.objects.get()
    for name in ("integer", "json", "date", "binary"):
        fails(lambda name=name: getattr(row, name), InvalidValue)


def test_receiver_that_fails(vault, person):
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("receiver")

    detokenized.connect(receiver)
    try:
        fails(lambda: Person.objects.get().name, RuntimeError)
        fails(lambda: Person.objects.values_list("name", flat=True).get()(), RuntimeError)
    finally:
        detokenized.disconnect(receiver)


def test_database_error(vault, person):
    Account.objects.create(iban=BIRD.text)
    for write in (Account(iban=BIRD.text).save, lambda: Account.objects.bulk_create([Account(iban=BIRD.text)])):
        with transaction.atomic():
            fails(write, IntegrityError)


def test_duplicate_is_not_named(vault):
    Account.objects.create(iban=BIRD.text)
    fails(lambda: Account(iban=BIRD.text).full_clean(), ValidationError)


@pytest.mark.parametrize("operation", ["save", "bulk", "update"])
def test_value_that_is_too_large(vault, person, monkeypatch, operation):
    monkeypatch.setattr(type(vault.backend), "max_value_bytes", 10)
    calls = {
        "save": lambda: changed(person).save(),
        "bulk": lambda: Person.objects.bulk_create([Person(name=BIRD.text)]),
        "update": lambda: Person.objects.update(name=BIRD.text),
    }
    fails(calls[operation], ValueTooLarge)


@isolate_apps("tests")
def test_metadata_that_fails(vault):
    def label(instance: Any, field: Any) -> str:
        raise RuntimeError("label")

    class Labelled(models.Model):
        name = TokenizedField(metadata=label)

    fails(lambda: Labelled(name=BIRD.text).save(), RuntimeError)


def test_unsaved_plaintext_that_would_be_stored_elsewhere(vault):
    fails(lambda: pickle.dumps(Person(name=BIRD.text)), pickle.PicklingError)
    fails(lambda: serializers.serialize("json", [Person(name=BIRD.text)]), ValueError)


def test_plaintext_in_the_place_of_a_token(vault):
    # The instance holds it, where no plaintext belongs: the message says so without showing it.
    for person in (Person(None, BIRD.text), Person(name_token=BIRD.text)):
        with pytest.raises(ValueError, match="no reference token") as caught:
            person.save()
        assert BIRD.found_in(str(caught.value)) == []


def test_fence(vault, person):
    from django_altr.fields import no_detokenization

    with no_detokenization():
        fails(lambda: Person.objects.get().name, AltrError)
