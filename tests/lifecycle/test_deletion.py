"""``on_delete="delete"``: what no row holds any more is deleted from the vault, after commit and never before."""

from __future__ import annotations

import logging

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Value

from django_altr import vaults
from django_altr.exceptions import NotSupported, ServiceUnavailable
from tests.models import Company, Party, PartyProxy, Person, Ticket, Wallet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wallet(vault):
    wallet = Wallet.objects.create(card="4111", pin="1", note="n", label="a")
    vault.forget()
    return wallet


def stored(wallet):
    return Wallet.objects.values_list("card__token", "pin__token").get(label=wallet.label)


def test_replaced_value_is_deleted(vault, wallet):
    old = wallet.card_token
    wallet.card = "5500"
    wallet.save()
    assert not vault.holds_any(old)
    assert vault.holds(wallet.card_token)
    assert Wallet.objects.get().card == "5500"


def test_unchanged_values_are_kept_and_the_vault_is_not_asked(vault, wallet):
    Wallet.objects.get().save()
    wallet.save()
    assert vault.backend.calls == []


def test_fields_that_keep_are_kept(vault, wallet):
    old = wallet.note_token
    wallet.note = "m"
    wallet.save()
    wallet.delete()
    assert vault.holds(old)


def test_value_set_to_none_is_deleted(vault, wallet):
    old = wallet.card_token
    wallet.card = None
    wallet.save()
    assert not vault.holds_any(old)


def test_value_of_a_deferred_field_is_deleted(vault, wallet):
    fresh = Wallet.objects.only("label").get()
    fresh.card = "5500"
    fresh.save()
    assert not vault.holds_any(wallet.card_token)


def test_value_of_a_row_that_was_never_read_is_deleted(vault, wallet):
    Wallet(pk=wallet.pk, card="5500").save()
    assert not vault.holds_any(wallet.card_token, wallet.pin_token)


def test_deleted_row_takes_its_values_along(vault, wallet):
    tokens = stored(wallet)
    wallet.delete()
    assert not vault.holds_any(*tokens)


def test_deleted_row_takes_the_values_that_are_stored_not_those_assigned(vault, wallet):
    tokens = stored(wallet)
    wallet.card, wallet.pin = "5500", None
    wallet.delete()
    assert not vault.holds_any(*tokens)


def test_deleted_row_with_deferred_fields_takes_its_values_along(vault, wallet):
    Wallet.objects.defer("card").get().delete()
    assert not vault.holds_any(*[wallet.card_token, wallet.pin_token])


def test_queryset_delete_deletes_the_values_of_all_rows_in_one_call(vault):
    wallets = Wallet.objects.bulk_create(Wallet(card=str(number)) for number in range(5))
    vault.forget()
    Wallet.objects.all().delete()
    assert not vault.holds_any(*(each.card_token for each in wallets))
    assert vault.deletions == [5]


def test_cascade_deletes_values(vault, wallet):
    ticket = Ticket.objects.create(wallet=wallet, seat="1A")
    wallet.delete()
    assert not vault.holds_any(ticket.seat_token)


def test_update_deletes_what_it_replaces(vault, wallet):
    old = wallet.card_token
    Wallet.objects.filter(label="a").update(card="5500")
    assert not vault.holds_any(old)
    assert Wallet.objects.get().card == "5500"


@pytest.mark.parametrize("value", [None, Value(None)])
def test_update_to_none_deletes(vault, wallet, value):
    Wallet.objects.update(card=value)
    assert not vault.holds_any(wallet.card_token)
    assert Wallet.objects.get().card is None


def test_update_with_an_expression_deletes_what_no_row_holds_any_more(vault, wallet):
    old, kept = stored(wallet)
    Wallet.objects.update(pin=F("pin"))
    assert vault.holds(old, kept)


def test_update_through_a_join_deletes_what_it_replaces(vault, wallet):
    ticket = Ticket.objects.create(wallet=wallet, seat="1A")
    other = Ticket.objects.create(wallet=Wallet.objects.create(label="b"), seat="1B")
    Ticket.objects.filter(wallet__label="a").update(seat="2A")
    assert not vault.holds_any(ticket.seat_token)
    assert vault.holds(other.seat_token)


def test_update_of_no_rows_deletes_nothing(vault, wallet):
    Wallet.objects.none().update(card="x")
    Wallet.objects.filter(pk__in=[]).update(card="x")
    Wallet.objects.filter(label="z").update(card=None)
    Wallet.objects.create()
    assert vault.holds(*stored(wallet))
    assert vault.deletions == []


def test_bulk_update_deletes_what_it_replaces(vault):
    wallets = Wallet.objects.bulk_create(Wallet(card=str(number), pin="1") for number in range(3))
    old = [each.card_token for each in wallets]
    wallets[0].card, wallets[1].card = "x", None
    vault.forget()
    Wallet.objects.bulk_update(wallets, ["card", "pin"])
    assert not vault.holds_any(*old[:2])
    assert vault.holds(old[2], wallets[0].card_token, wallets[2].pin_token)
    assert vault.deletions == [2]


@pytest.mark.skipif(connection.vendor == "mysql", reason="MySQL does not say which rows an upsert replaces")
def test_upsert_deletes_what_it_replaces(vault, wallet):
    Wallet.objects.bulk_create(
        [Wallet(label="a", card="5500"), Wallet(label="b", card="6011")],
        update_conflicts=True, unique_fields=["label"], update_fields=["card"],
    )  # fmt: skip
    assert not vault.holds_any(wallet.card_token)
    assert {each.card for each in Wallet.objects.all()} == {"5500", "6011"}


def test_nothing_is_deleted_before_commit(vault, wallet):
    with transaction.atomic():
        wallet.delete()
        assert vault.holds(wallet.card_token)
    assert not vault.holds_any(wallet.card_token)


def test_nothing_is_deleted_after_rollback(vault, wallet):
    tokens = stored(wallet)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Wallet.objects.update(card="5500")
        Wallet.objects.get().delete()
        raise ZeroDivisionError
    Wallet.objects.create(card="another commit").delete()
    assert vault.holds(*tokens)
    assert stored(wallet) == tokens


def test_nothing_of_a_savepoint_that_was_rolled_back_is_deleted(vault, wallet):
    other = Wallet.objects.create(card="6011")
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            wallet.delete()
            raise ZeroDivisionError
        other.delete()
    assert vault.holds(wallet.card_token)
    assert not vault.holds_any(other.card_token)


def test_a_transaction_deletes_all_at_once(vault):
    with transaction.atomic():
        for number in range(3):
            each = Wallet.objects.create(card=str(number))
            each.card = "new"
            each.save()
    assert vault.deletions == [3]


def test_token_of_a_copy_is_kept(vault, wallet):
    copy = Wallet.objects.get()
    copy.pk, copy.label, copy._state.adding = None, None, True
    copy.save()
    wallet.delete()
    assert copy.card_token == wallet.card_token
    assert Wallet.objects.get().card == "4111"
    copy.delete()
    assert not vault.holds_any(copy.card_token)


def test_token_in_a_column_of_another_model_is_kept(vault, wallet):
    person = Person(name="x", email="")
    person.name = wallet.card_token  # a Token of another field is a reference
    person.save()
    wallet.delete()
    assert Person.objects.get().name == "4111"


def test_deterministic_value_of_another_row_is_kept(vault, wallet):
    other = Wallet.objects.create(pin="1")
    wallet.delete()
    assert vault.holds(other.pin_token)
    other.delete()
    assert not vault.holds_any(other.pin_token)


def test_parents_and_children_delete_their_own_columns(vault):
    company = Company.objects.create(phone="1", tax_id="2")
    tokens = company.phone_token, company.tax_id_token
    company.phone = "3"
    company.save()
    assert not vault.holds_any(tokens[0])
    Company.objects.filter(tax_id__isnull=False).update(phone="4", tax_id="5")
    assert not vault.holds_any(*tokens, company.phone_token)
    left = Company.objects.values_list("phone__token", "tax_id__token").get()
    assert vault.holds(*left)
    Party.objects.all().delete()
    assert not vault.holds_any(*left)


def test_proxies_delete(vault):
    party = PartyProxy.objects.create(phone="1")
    PartyProxy.objects.get().delete()
    assert not vault.holds_any(party.phone_token)


def test_outage_of_the_vault_does_not_undo_the_deletion_of_the_row(vault, wallet, caplog):
    vault.backend.fail_with(ServiceUnavailable("down"))
    with caplog.at_level(logging.ERROR, "django_altr"):
        wallet.delete()
    assert not Wallet.objects.exists()
    assert "2 tokens of the vault 'default' could not be deleted (ServiceUnavailable)" in caplog.text
    assert "4111" not in caplog.text


def test_tokens_of_a_failed_statement_do_not_go_with_the_next_one(vault, wallet, caplog):
    other = Wallet.objects.create(label="b", card="5500")
    other.label, other.card = "a", "new"
    with pytest.raises(IntegrityError) as error:
        other.save()
    vault.backend.fail_with(ServiceUnavailable("down"))
    with caplog.at_level(logging.ERROR, "django_altr"):
        wallet.delete()
    assert "2 tokens of the vault 'default'" in caplog.text
    assert error.value.__traceback__ is not None  # which keeps the frames of the failed statement


def test_failed_statement_deletes_nothing(vault, wallet):
    other = Wallet.objects.create(label="b", card="5500")
    other.label, other.card = "a", "new"
    with pytest.raises(IntegrityError):
        other.save()
    assert Wallet.objects.get(label="b").card == "5500"
    Wallet.objects.filter(label="a").update(active=False)
    assert Wallet.objects.get(label="b").card == "5500"


def test_callbacks_captured_by_a_test_delete(vault, wallet, django_capture_on_commit_callbacks):
    with transaction.atomic():
        with django_capture_on_commit_callbacks(execute=True):
            wallet.delete()
        assert not vault.holds_any(wallet.card_token)


def test_vault_that_cannot_delete_is_no_error_of_the_save(vault, wallet, caplog, monkeypatch):
    monkeypatch.setattr(vaults["default"], "delete_many", raise_not_supported)
    wallet.card = "new"
    wallet.save()
    assert "NotSupported" in caplog.text


def raise_not_supported(tokens):
    raise NotSupported("no")


def test_models_without_such_fields_are_deleted_fast(vault, django_assert_num_queries):
    Person.objects.create(name="a", email="")
    with django_assert_num_queries(1):
        Person.objects.all()._raw_delete("default")
    with django_assert_num_queries(1):
        Person.objects.all().update(name="b")


@pytest.mark.parametrize("kind", ["vaulted", "critical"])
def test_todays_services_delete(sandbox, settings, kind):
    settings.ALTR = {alias: sandbox.settings(kind) for alias in ("default", "second")}
    wallet = Wallet.objects.create(card="4111", pin="1")
    old = wallet.card_token
    wallet.card = "5500"
    wallet.save()
    assert vaults["default"].find_many([old, wallet.card_token]) == {wallet.card_token: "5500"}
    Wallet.objects.all().delete()
    assert vaults["default"].find_many([wallet.card_token, wallet.pin_token]) == {}


def test_classic_service_cannot_delete_and_stops_nothing(sandbox, settings, caplog):
    settings.ALTR = {alias: sandbox.settings("chain") for alias in ("default", "second")}
    wallet = Wallet.objects.create(card="4111")
    wallet.delete()
    assert not Wallet.objects.exists()
    assert "NotSupported" in caplog.text
    assert vaults["default"].find_many([wallet.card_token]) == {wallet.card_token: "4111"}
