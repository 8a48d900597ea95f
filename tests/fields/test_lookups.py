"""Filters work on tokens, or refuse and name the alternatives."""

from __future__ import annotations

import pytest
from django.core.exceptions import FieldError, ValidationError
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Lower

from django_altr.exceptions import ServiceUnavailable
from tests.models import Account, Bare, Payee, Person


@pytest.fixture
def account(vault):
    account = Account.objects.create(iban="DE1", owner_ssn="1", note="n")
    Account.objects.create(iban="DE2", owner_ssn=None)
    vault.forget()
    return account


def test_isnull_asks_no_vault(vault, account):
    assert Account.objects.filter(owner_ssn__isnull=False).get() == account
    assert Account.objects.filter(note=None).count() == 1
    assert vault.backend.calls == []


def test_token_asks_no_vault(vault, account):
    assert Account.objects.get(iban__token=account.iban_token) == account
    assert Account.objects.filter(iban__token__in=[account.iban_token, "x"]).count() == 1
    assert Account.objects.filter(iban__token__startswith="chain_").count() == 2
    assert list(Account.objects.order_by("iban__token").values_list("iban__token")) is not None
    assert vault.backend.calls == []


def test_exact_finds_by_plaintext(vault, account):
    assert Account.objects.get(iban="DE1") == account
    assert Account.objects.get(iban__exact="DE1") == account
    assert not Account.objects.filter(iban="DE3").exists()
    assert Account.objects.exclude(iban="DE1").count() == 1


def test_exact_reads_nothing(vault, account):
    list(Account.objects.filter(iban="DE1"))
    assert vault.reads == []
    assert vault.writes == [1]


def test_in_finds_by_plaintext_in_one_request(vault, account):
    assert Account.objects.filter(iban__in=["DE1", "DE2", "DE9", None]).count() == 2
    assert vault.writes == [3]
    assert Account.objects.filter(iban__in=[]).count() == 0


def test_several_conditions_ask_in_one_request(vault, account):
    assert Account.objects.get(Q(iban="DE1") | Q(iban="DE7"), owner_ssn="1") == account
    assert vault.writes == [3]


def test_join_between_deterministic_fields(vault, account):
    Payee.objects.create(iban="DE1")
    vault.forget()
    assert Account.objects.filter(Exists(Payee.objects.filter(iban=OuterRef("iban")))).get() == account
    assert Account.objects.filter(iban__in=Payee.objects.values("iban")).get() == account
    assert Account.objects.filter(iban=F("owner_ssn")).count() == 0
    assert vault.backend.calls == []


def test_join_with_a_field_of_other_tokens_is_refused(vault, account):
    with pytest.raises(FieldError, match="cannot be compared"):
        list(Account.objects.filter(iban=F("note")))
    with pytest.raises(FieldError, match="cannot be compared"):
        list(Account.objects.filter(iban=F("balance")))
    with pytest.raises(FieldError, match="cannot be compared"):
        list(Account.objects.filter(iban__in=Person.objects.values("name")))
    with pytest.raises(FieldError, match="cannot be compared"):
        list(Account.objects.filter(iban=Payee.objects.values("label")[:1]))


def test_subquery_of_equal_tokens_is_compared(vault, account):
    Payee.objects.create(iban="DE1")
    assert Account.objects.get(iban=Payee.objects.values("iban")[:1]) == account


def test_lookup_by_a_value_expression(vault, account):
    assert Account.objects.get(iban=Value("DE1")) == account


def test_get_or_create_by_plaintext(vault, account):
    assert Account.objects.get_or_create(iban="DE1") == (account, False)
    assert Account.objects.get_or_create(iban="DE3")[1]
    assert Account.objects.update_or_create(iban="DE1", defaults={"balance": 5}) == (account, False)


def test_empty_text_is_found_as_it_is_stored(vault):
    Payee.objects.create(iban="")
    assert Payee.objects.filter(iban="").count() == 1
    assert vault.backend.calls == []


@pytest.mark.parametrize("lookup", ["exact", "in"])
def test_plaintext_lookup_needs_a_deterministic_field(vault, lookup):
    value = ["canary"] if lookup == "in" else "canary"
    with pytest.raises(FieldError, match="deterministic=True") as caught:
        Person.objects.filter(**{f"name__{lookup}": value})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("lookup", ["icontains", "startswith", "gt", "range", "regex", "iexact"])
@pytest.mark.parametrize("model", [Person, Account])
def test_other_lookups_are_refused_and_name_the_alternatives(vault, model, lookup):
    name = "name" if model is Person else "iban"
    with pytest.raises(FieldError, match=f"{name}__isnull and {name}__token"):
        model.objects.filter(**{f"{name}__{lookup}": "x"})


def test_transform_of_the_base_field_is_refused(vault):
    from tests.models import Everything

    with pytest.raises(FieldError, match="date__token"):
        Everything.objects.filter(date__year=2026)
    with pytest.raises(FieldError):
        Everything.objects.filter(date__nonsense=1)


def test_plain_text_is_never_a_raw_token_match(vault, account):
    assert not Account.objects.filter(iban=str(account.iban_token)).exists()
    assert not Account.objects.filter(iban_token=str(account.iban_token)).exists()
    with pytest.raises(FieldError):
        Person.objects.filter(name_token="chain_")


def test_token_objects_match_tokens(vault, account):
    token = Account.objects.values_list("iban", flat=True).get(pk=account.pk)
    assert Account.objects.get(iban=token) == account
    assert vault.backend.calls == []


def test_printing_a_query_writes_nothing(vault, account):
    text = str(Account.objects.filter(iban="canary").query)
    assert "canary" not in text
    assert "canary" not in repr(Account.objects.filter(iban="canary").query.where)
    assert vault.backend.calls == []


def test_query_of_nothing_writes_nothing(vault, account):
    assert not Account.objects.none().filter(iban="DE9")
    assert not Account.objects.filter(pk__in=[]).filter(iban="DE9")
    assert vault.backend.calls == []


def test_queryset_can_be_evaluated_again(vault, account):
    rows = Account.objects.filter(iban="DE1")
    assert rows.count() == 1
    assert rows.get() == account
    assert vault.writes == [1]


def test_lookup_in_an_outage_is_a_typed_error(vault, account):
    vault.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable):
        Account.objects.get(iban="DE1")
    assert Account.objects.get(iban="DE1") == account


def test_database_functions_work_on_the_token_only_as_text(vault, account):
    row = Account.objects.annotate(low=Lower("iban")).get(pk=account.pk)
    assert row.low == account.iban_token.lower()


def test_slice_of_the_column_is_refused(vault, account):
    with pytest.raises(FieldError, match="cannot be sliced"):
        list(Account.objects.annotate(it=F("iban")[0:2]))


def test_unique_is_validated_by_plaintext(vault, account):
    with pytest.raises(ValidationError) as caught:
        Account(iban="DE1", owner_ssn="2").full_clean()
    assert list(caught.value.message_dict) == ["iban"]
    Account(iban="DE9", owner_ssn="2").full_clean()
    stored = Account.objects.get(pk=account.pk)
    stored.owner_ssn = "7"
    stored.full_clean()


def test_constraint_validation_writes_nothing(vault):
    from django.db.models import CheckConstraint

    constraint = CheckConstraint(condition=Q(value__isnull=False), name="has_value")
    constraint.validate(Bare, Bare(value="canary"))
    with pytest.raises(ValidationError):
        constraint.validate(Bare, Bare())
    assert vault.backend.calls == []
