"""What a client sends is plaintext of the base type, and what it leaves alone stays as it is."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from django_altr.exceptions import Forbidden
from django_altr.rest_framework import MASK
from tests.fields.conftest import column
from tests.models import Account, Everything, Membership, Person

from .api import (
    NAMES,
    MaskedEverything,
    MaskedPerson,
    MembershipSerializer,
    RevealedAccount,
    RevealedPerson,
    serializer,
)


def saved(bound):
    bound.is_valid(raise_exception=True)
    row = bound.save()
    return type(row).objects.get(pk=row.pk)


@pytest.fixture
def ada(vault):
    person = Person.objects.create(name="Ada", email="ada@example.org", ssn="815", age=36)
    vault.forget()
    return Person.objects.get(pk=person.pk)


@pytest.fixture(params=[MaskedPerson, RevealedPerson])
def person_serializer(request):
    return request.param


# Token injection


def test_somebody_elses_token_is_stored_as_plaintext_by_create(ada, person_serializer):
    mine = saved(person_serializer(data={"name": ada.name_token, "email": "me@example.org"}))
    assert mine.name_token != ada.name_token
    assert mine.name == ada.name_token


def test_somebody_elses_token_is_stored_as_plaintext_by_update(ada, vault, person_serializer):
    other = Person.objects.create(name="Eve", email="")
    row = saved(person_serializer(other, data={"name": ada.name_token}, partial=True))
    assert row.name_token != ada.name_token
    assert row.name == ada.name_token


def test_ones_own_token_is_plaintext_too(ada):
    token = ada.name_token
    row = saved(RevealedPerson(ada, data={"name": token}, partial=True))
    assert row.name == token


def test_the_token_attribute_cannot_be_written(ada):
    Tokens = serializer(Person, ["name_token", "age"])
    row = saved(Tokens(ada, data={"name_token": "chain_" + "0" * 64, "age": 37}))
    assert (row.name, row.age) == ("Ada", 37)


# Updates


def test_a_partial_update_touches_what_it_names(ada, vault):
    row = saved(MaskedPerson(ada, data={"age": 37}, partial=True))
    assert vault.calls == []
    assert (row.name, row.email, row.ssn, row.age) == ("Ada", "ada@example.org", "815", 37)


def test_a_masked_value_is_written_blind(ada, vault):
    bound = MaskedPerson(ada, data={"name": "Ada King"}, partial=True)
    bound.is_valid(raise_exception=True)
    bound.save()
    assert (vault.reads, vault.writes) == ([], [1])
    assert Person.objects.get().name == "Ada King"


def test_an_equal_value_that_is_revealed_writes_nothing(ada, vault):
    tokens = [ada.name_token, ada.email_token, ada.ssn_token]
    row = saved(RevealedPerson(ada, data={"name": "Ada", "email": "ada@example.org", "ssn": "815", "age": 37}))
    assert (vault.reads, vault.writes) == ([3], [])
    assert [row.name_token, row.email_token, row.ssn_token] == tokens


def test_masks_sent_back_leave_the_values_as_they_are(ada, vault):
    data = MaskedPerson(ada).data
    row = saved(MaskedPerson(ada, data={**data, "age": 37}))
    assert vault.calls == []
    assert (row.name, row.email, row.ssn, row.age) == ("Ada", "ada@example.org", "815", 37)


def test_masks_sent_back_to_a_revealing_serializer_leave_the_values_as_they_are(ada):
    row = saved(RevealedPerson(ada, data={**MaskedPerson(ada).data}))
    assert row.name == "Ada"


def test_a_mask_is_no_value_for_a_new_row(vault, person_serializer):
    bound = person_serializer(data={"name": MASK, "email": "a@example.org"})
    assert not bound.is_valid()
    assert bound.errors["name"][0].code == "masked"


def test_what_was_left_out_can_be_left_out_of_a_full_update(vault):
    row = Everything.objects.create(integer=5, boolean=True, date="1815-12-10", json={"a": 1})
    data = {name: value for name, value in MaskedEverything(row).data.items() if value is not None}
    again = saved(MaskedEverything(Everything.objects.get(), data=data))
    assert (again.integer, again.boolean, again.json) == (5, True, {"a": 1})


def test_a_masked_field_is_required_for_a_new_row(vault):
    bound = MaskedPerson(data={"email": "a@example.org"})
    assert not bound.is_valid()
    assert bound.errors["name"][0].code == "required"


def test_a_revealed_field_is_required_for_a_full_update(ada):
    bound = RevealedPerson(ada, data={"email": "a@example.org"})
    assert not bound.is_valid()
    assert bound.errors["name"][0].code == "required"


def test_a_value_can_be_cleared(ada):
    row = saved(MaskedPerson(ada, data={"ssn": None, "email": ""}, partial=True))
    assert (row.ssn, row.email) == (None, "")


def test_a_key_that_may_not_read_can_write(ada, vault):
    vault.fail_with(Forbidden("The key may not read."))
    bound = MaskedPerson(ada, data={"name": "Ada King", "age": 37})
    bound.is_valid(raise_exception=True)
    vault.fail_with(None)
    bound.save()
    assert vault.reads == []


# Forms


def test_a_form_left_empty_leaves_masked_values_alone(vault):
    row = Everything.objects.create(integer=5, boolean=True, char="Ada", json={"a": 1})
    again = saved(MaskedEverything(row, data=QueryDict("integer=&char=&json=")))
    assert (again.integer, again.boolean, again.char, again.json) == (5, True, "Ada", {"a": 1})


def test_a_form_with_a_new_value_writes_it(vault):
    row = Everything.objects.create(integer=5, boolean=False)
    again = saved(MaskedEverything(row, data=QueryDict("integer=0&boolean=true")))
    assert (again.integer, again.boolean) == (0, True)


def test_a_form_clears_what_is_revealed(ada):
    row = saved(RevealedPerson(ada, data=QueryDict("name=Ada&email=&ssn=&age=36")))
    assert (row.email, row.ssn) == ("", "")


# Uniqueness


def test_a_deterministic_unique_field_is_unique(vault):
    Account.objects.create(iban="DE1")
    bound = RevealedAccount(data={"iban": "DE1"})
    assert not bound.is_valid()
    assert bound.errors["iban"][0].code == "unique"
    assert RevealedAccount(data={"iban": "DE2"}).is_valid()


def test_a_row_may_keep_its_unique_value(vault):
    account = Account.objects.create(iban="DE1")
    assert RevealedAccount(account, data={"iban": "DE1", "balance": 1}).is_valid()


def test_uniqueness_is_checked_of_masked_fields_too(vault):
    Account.objects.create(iban="DE1")
    assert not serializer(Account, ["iban"])(data={"iban": "DE1"}).is_valid()


def test_fields_are_unique_together(vault):
    Membership.objects.create(club="chess", number="1")
    bound = MembershipSerializer(data={"club": "chess", "number": "1"})
    assert not bound.is_valid()
    assert bound.errors["non_field_errors"][0].code == "unique"
    assert MembershipSerializer(data={"club": "go", "number": "1"}).is_valid()


def test_fields_are_unique_together_in_a_partial_update(vault):
    Membership.objects.create(club="chess", number="1")
    other = Membership.objects.create(club="go", number="2")
    with pytest.raises(ValidationError):
        saved(MembershipSerializer(other, data={"club": "chess", "number": "1"}, partial=True))
    saved(MembershipSerializer(other, data={"club": "bridge"}, partial=True))


def test_a_partial_update_that_keeps_the_value_checks_uniqueness_without_reading_it(vault):
    Membership.objects.create(club="chess", number="1")
    other = Membership.objects.get(pk=Membership.objects.create(club="go", number="1").pk)
    vault.forget()
    assert not MembershipSerializer(other, data={"club": "chess"}, partial=True).is_valid()
    assert MembershipSerializer(other, data={"note": "new"}, partial=True).is_valid()
    assert vault.calls == []


def test_an_update_with_the_same_unique_values_is_none(vault):
    membership = Membership.objects.get(pk=Membership.objects.create(club="chess", number="1").pk)
    assert MembershipSerializer(membership, data={"club": "chess", "number": "1"}).is_valid()


def test_only_tokens_reach_the_database(vault):
    saved(RevealedAccount(data={"iban": "DE1", "note": "private"}))
    assert all(token.startswith("chain_") for name in ("iban", "note") for token in column(Account, name))


def test_many_rows_are_created(vault):
    rows = [{"name": f"N{number}", "email": f"n{number}@example.org"} for number in range(3)]
    bound = MaskedPerson(data=rows, many=True)
    bound.is_valid(raise_exception=True)
    bound.save()
    assert [person.name for person in Person.objects.all()] == ["N0", "N1", "N2"]
    assert [each["name"] for each in bound.data] == [MASK] * 3
    assert set(bound.data[0]) == set(NAMES)
