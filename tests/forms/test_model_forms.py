"""Forms outside the admin work with plaintext, as if the fields were the base fields."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django import forms

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import VaultConnectionError
from tests.models import Account, Everything, Options, Person


class PersonForm(forms.ModelForm):
    class Meta:
        model = Person
        fields = ["name", "email", "ssn", "team"]


class OptionsForm(forms.ModelForm):
    class Meta:
        model = Options
        fields = ["level", "tags", "score"]


@pytest.fixture
def person(vault: LocMemBackend) -> Person:
    pk = Person.objects.create(name="Ada", email="ada@example.com", ssn="078-05-1120", team="red").pk
    vault.calls.clear()
    return Person.objects.get(pk=pk)


def entered(**changes: str) -> dict[str, str]:
    return {"name": "Ada", "email": "ada@example.com", "ssn": "078-05-1120", "team": "red", **changes}


@pytest.mark.filterwarnings("ignore:The default scheme")
def test_form_fields_and_widgets_are_those_of_the_base_fields() -> None:
    fields = forms.fields_for_model(Everything)
    for name, formfield in fields.items():
        expected = Everything._meta.get_field(name).base_field.formfield() if name != "id" else None
        assert type(formfield) is type(expected)
        assert type(formfield.widget) is type(expected.widget)
    assert isinstance(fields["date"], forms.DateField)
    assert isinstance(fields["text"].widget, forms.Textarea)


def test_choices_make_a_select() -> None:
    assert isinstance(OptionsForm().fields["level"].widget, forms.Select)


def test_initial_values_are_the_plaintext_read_when_they_are_rendered(person: Person, vault: LocMemBackend) -> None:
    form = PersonForm(instance=person)
    assert vault.calls == []
    assert 'value="ada@example.com"' in form.as_p()
    assert form["ssn"].value() == "078-05-1120"


def test_defaults_are_initial(vault: LocMemBackend) -> None:
    form = OptionsForm()
    assert (form["level"].value(), form["tags"].value(), form["score"].value()) == ("s", "[]", 0)


def test_same_values_have_not_changed(person: Person) -> None:
    assert PersonForm(entered(), instance=person).changed_data == []


def test_other_values_have_changed(person: Person) -> None:
    assert PersonForm(entered(email="x@example.com", ssn=""), instance=person).changed_data == ["email", "ssn"]


def test_saving_the_same_values_writes_nothing(person: Person, vault: LocMemBackend) -> None:
    form = PersonForm(entered(team="blue"), instance=person)
    form.save()
    assert "tokenize" not in dict(vault.calls)
    assert Person.objects.get().team == "blue"


def test_saving_another_value_writes_it_alone(person: Person, vault: LocMemBackend) -> None:
    before = person.ssn_token
    PersonForm(entered(email="x@example.com"), instance=person).save()
    assert [call for call in vault.calls if call[0] == "tokenize"] == [("tokenize", 1)]
    stored = Person.objects.get()
    assert (stored.email, stored.ssn_token) == ("x@example.com", before)


def test_values_are_cleaned_as_the_base_field_does(vault: LocMemBackend) -> None:
    form = PersonForm(entered(name=" Ada ", email="no address", ssn="x" * 21))
    assert set(form.errors) == {"email", "ssn"}
    assert form.cleaned_data["name"] == "Ada"


def test_errors_echo_only_what_was_entered(person: Person, vault: LocMemBackend) -> None:
    form = PersonForm(entered(email="no address", ssn="219-09-9999"), instance=person)
    html = form.as_p()
    assert "no address" in html
    assert "ada@example.com" not in html
    assert "078-05-1120" not in html


def test_token_that_is_entered_is_plaintext(person: Person, vault: LocMemBackend) -> None:
    other = Person.objects.create(name="Charles")
    PersonForm(entered(name=other.name_token), instance=person).save()
    assert Person.objects.get(pk=person.pk).name == other.name_token


def test_blank_clears_a_nullable_value(person: Person) -> None:
    PersonForm(entered(ssn=""), instance=person).save()
    assert Person.objects.get().ssn_token is None


def test_uniqueness_of_a_deterministic_field_is_validated(vault: LocMemBackend) -> None:
    Account.objects.create(iban="DE1")
    form = forms.modelform_factory(Account, fields=["iban"])({"iban": "DE1"})
    assert "already exists" in str(form.errors["iban"])
    assert "chain_" not in str(form.errors)


def test_failing_vault_raises_and_blanks_nothing(person: Person, vault: LocMemBackend) -> None:
    vault.fail_with(VaultConnectionError("no route"))
    form = PersonForm(entered(email="x@example.com"), instance=person)
    with pytest.raises(VaultConnectionError):
        form.save()
    vault.fail_with(None)
    assert Person.objects.get().email == "ada@example.com"


class TestFormsets:
    @pytest.fixture
    def people(self, vault: LocMemBackend) -> list[Person]:
        Person.objects.bulk_create([Person(name=f"Person {n}", ssn=str(n), team="red") for n in range(20)])
        vault.calls.clear()
        return list(Person.objects.all())

    def data(self, people: list[Person], **changes: Any) -> dict[str, Any]:
        data = {"form-TOTAL_FORMS": str(len(people)), "form-INITIAL_FORMS": str(len(people))}
        for number, person in enumerate(people):
            data[f"form-{number}-id"] = str(person.pk)
            data[f"form-{number}-name"] = f"Person {number}"
        return {**data, **changes}

    def test_initial_values_of_all_rows_are_one_request(self, people: list[Person], vault: LocMemBackend) -> None:
        html = forms.modelformset_factory(Person, fields=["name"], extra=0)().as_p()
        assert 'value="Person 19"' in html
        assert vault.calls == [("detokenize", 20)]

    def test_only_the_changed_row_is_saved(self, people: list[Person], vault: LocMemBackend) -> None:
        formset_class = forms.modelformset_factory(Person, fields=["name"], extra=0)
        formset = formset_class(self.data(people, **{"form-3-name": "Ada"}))
        assert formset.is_valid(), formset.errors
        assert formset.save() == [people[3]]
        assert [call for call in vault.calls if call[0] == "tokenize"] == [("tokenize", 1)]
        assert Person.objects.get(pk=people[3].pk).name == "Ada"


def test_date_is_localized_as_ever(vault: LocMemBackend) -> None:
    form_class = forms.modelform_factory(Everything, fields=["date"], localized_fields=["date"])
    form = form_class(instance=Everything(date=datetime.date(1815, 12, 10)))
    assert 'value="1815-12-10"' in str(form["date"]) or "12/10/1815" in str(form["date"])
