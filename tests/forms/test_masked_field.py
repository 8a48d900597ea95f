"""Masked form fields, wherever they are used."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from django import forms
from django.db import models

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import VaultConnectionError
from django_altr.forms import MaskedField, Unchanged
from django_altr.masks import MASK, mask_revealed, masked_if_unavailable
from django_altr.masks import masked as masked_values
from tests.models import Everything, Options, Person


def masked(db_field: Any, **kwargs: Any) -> Any:
    return (
        db_field.formfield(masked=True, **kwargs) if hasattr(db_field, "base_field") else db_field.formfield(**kwargs)
    )


class PersonForm(forms.ModelForm):
    class Meta:
        model = Person
        fields = ["name", "email", "ssn"]
        formfield_callback = masked

    def clean_email(self) -> Any:
        return self.cleaned_data["email"]


@pytest.fixture
def person(vault: LocMemBackend) -> Person:
    pk = Person.objects.create(name="Ada", email="ada@example.com", ssn="078-05-1120").pk
    vault.calls.clear()
    return Person.objects.get(pk=pk)


def field(name: str, model: Any = Person) -> MaskedField:
    return model._meta.get_field(name).formfield(masked=True)  # type: ignore[no-any-return]


def test_blank_form_is_unchanged_and_saves_nothing(person: Person, vault: LocMemBackend) -> None:
    form = PersonForm({}, instance=person)
    assert form.is_valid(), form.errors
    assert form.changed_data == []
    assert all(isinstance(value, Unchanged) for value in form.cleaned_data.values())
    form.save()
    assert vault.calls == []


def test_cleaned_data_has_no_text_that_could_be_saved_by_mistake(person: Person) -> None:
    form = PersonForm({}, instance=person)
    assert form.is_valid()
    assert repr(form.cleaned_data["email"]) == "<unchanged>"
    assert not hasattr(form.cleaned_data["email"], "lower")


def test_new_value_is_cleaned_and_saved_without_a_read(person: Person, vault: LocMemBackend) -> None:
    form = PersonForm({"email": " x@example.com "}, instance=person)
    assert form.is_valid()
    assert form.cleaned_data["email"] == "x@example.com"
    assert form.changed_data == ["email"]
    form.save()
    assert vault.calls == [("tokenize", 1)]


def test_shows_mask_token_and_an_empty_input(person: Person, vault: LocMemBackend) -> None:
    html = str(PersonForm(instance=person)["email"])
    assert MASK in html
    assert person.email_token in html
    assert 'type="email" name="email"' in html
    assert "value=" not in html
    assert vault.calls == []


def test_required_value_is_required_only_where_none_is_stored(person: Person, vault: LocMemBackend) -> None:
    assert " required" not in str(PersonForm(instance=person)["name"])
    assert " required" in str(PersonForm()["name"])
    assert PersonForm({}).errors["name"] == ["This field is required."]


def test_contradiction_is_an_error_and_clears_nothing(person: Person) -> None:
    form = PersonForm({"ssn": "1", "ssn-clear": "on"}, instance=person)
    assert form.errors["ssn"] == ["Either enter a new value or tick the box to clear the stored one, not both."]


def test_label_belongs_to_the_input(person: Person) -> None:
    bound = PersonForm(instance=person)["email"]
    assert bound.id_for_label == "id_email"
    assert 'id="id_email"' in str(bound)


def test_hidden_initial_values_are_never_rendered(vault: LocMemBackend) -> None:
    options = Options.objects.create(tags=["secret tag"])
    form_class = forms.modelform_factory(Options, fields=["tags"], formfield_callback=masked)
    html = form_class(instance=Options.objects.get(pk=options.pk)).as_p()
    assert "initial-" not in html
    assert "secret tag" not in html


def test_disabled_field_keeps_its_value(person: Person, vault: LocMemBackend) -> None:
    form = PersonForm({"email": "x@example.com"}, instance=person)
    form.fields["email"].disabled = True
    assert form.is_valid()
    form.save()
    assert Person.objects.get().email == "ada@example.com"


def test_copies_are_apart(vault: LocMemBackend) -> None:
    one = field("email")
    two = copy.deepcopy(one)
    two.widget.inner.attrs["class"] = "x"
    assert two.base.widget is two.widget.inner
    assert "class" not in one.widget.inner.attrs


@pytest.mark.parametrize(
    ("model", "name", "clearable"),
    [
        (Person, "name", False),
        (Person, "email", True),
        (Person, "ssn", True),
        (Everything, "boolean", True),
        (Options, "tags", False),
    ],
)
def test_what_may_be_empty_can_be_cleared(model: Any, name: str, clearable: bool) -> None:
    assert field(name, model).is_clearable is clearable


def test_cleared_value_of_a_column_without_null_is_the_default() -> None:
    from testproject.shop.models import Customer

    preferences = field("preferences", Customer)
    assert preferences.is_clearable
    assert preferences.cleared == {}
    assert preferences.cleared is not preferences.cleared


def test_values_without_a_form_are_cleaned_by_the_base_field() -> None:
    assert field("email").clean("x@example.com") == "x@example.com"
    with pytest.raises(forms.ValidationError):
        field("email").clean("no address")


def test_attributes_reach_the_input(person: Person) -> None:
    form = PersonForm(instance=person)
    form.fields["email"].widget.attrs["autocomplete"] = "off"
    assert 'autocomplete="off"' in str(form["email"])


class TestMask:
    """What code sees of a value where nothing is to be seen."""

    def test_stands_in_for_a_date(self) -> None:
        assert f"born {MASK:%Y-%m-%d}, in {MASK.year}, {MASK.isoformat()}" == f"born {MASK}, in {MASK}, {MASK}"

    def test_stands_in_for_json(self) -> None:
        assert MASK["newsletter"] == MASK.get("newsletter") == MASK
        assert MASK[:2] == "••"

    def test_stands_in_for_no_other_object(self) -> None:
        assert not hasattr(MASK, "resolve_expression")
        assert not hasattr(MASK, "nothing")

    def test_object_is_named_without_its_values(self, person: Person) -> None:
        with masked_values():
            assert str(person) == MASK
        assert str(person) == "Ada"

    def test_failing_vault_leaves_a_name_with_masks(self, person: Person, vault: LocMemBackend) -> None:
        name = masked_if_unavailable(lambda obj: f"{obj.pk}: {obj.name}")
        vault.fail_with(VaultConnectionError("no route"))
        assert name(person) == f"{person.pk}: {MASK}"
        vault.fail_with(None)
        assert name(person) == f"{person.pk}: Ada"

    @pytest.mark.parametrize(
        ("base", "value", "left"),
        [
            (models.CharField(), "DE89370400440532013000", f"{MASK} 3000"),
            (models.CharField(), "short", MASK),
            (models.CharField(choices=[("a long choice", "A")]), "a long choice", MASK),
            (models.EmailField(), "ada@example.com", f"a{MASK}@example.com"),
            (models.URLField(), "https://example.com/secret", MASK),
            (models.DateField(), datetime.date(1815, 12, 10), f"{MASK} 1815"),
            (models.TextField(), "a long text that is hidden", MASK),
            (models.JSONField(), {"a": 1}, MASK),
        ],
    )
    def test_revealed_value_keeps_its_use_when_it_is_hidden_again(self, base: Any, value: Any, left: str) -> None:
        assert mask_revealed(base, value) == left
