"""Every row of every model on every database counts; a column that cannot be searched is a reason to keep."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError, ProgrammingError, connection, models, transaction
from django.test.utils import isolate_apps

from django_altr import vaults
from django_altr.fields import TokenizedField
from django_altr.lifecycle import holders, release
from django_altr.lifecycle.holders import held, tokenized_columns
from django_altr.lifecycle.release import delete_unheld
from tests.models import Contact, ContactProxy, Patient, Split, Supplier, Wallet

pytestmark = pytest.mark.django_db


def test_columns_are_those_of_the_vault_each_once():
    columns = tokenized_columns("second")
    assert columns == [Split._meta.get_field("away"), Split._meta.get_field("far")]
    models_of_default = [field.model for field in tokenized_columns("default")]
    assert models_of_default.count(Contact) == 1
    assert models_of_default.count(Supplier) == 1
    assert ContactProxy not in models_of_default


def test_rows_that_managers_hide_hold_tokens(vault):
    patient = Patient.objects.create(name="Ada", hidden=True)
    assert held("default", [patient.name_token, "chain_other"]) == {patient.name_token}


def test_many_tokens_are_searched_in_batches(vault):
    wallets = Wallet.objects.bulk_create(Wallet(card=str(number)) for number in range(holders.BATCH + 1))
    tokens = {str(wallet.card_token) for wallet in wallets}
    assert held("default", tokens | {"chain_other"}) == tokens


def test_nothing_is_asked_for_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert held("default", []) == set()


@isolate_apps("tests")
def test_table_that_does_not_exist_holds_nothing(vault, monkeypatch):
    class Elsewhere(models.Model):
        secret = TokenizedField()

        class Meta:
            app_label = "tests"
            managed = False

    monkeypatch.setattr(holders, "tokenized_columns", lambda vault: [Elsewhere._meta.get_field("secret")])
    assert held("default", ["chain_x"]) == set()


@isolate_apps("tests")
def test_unmanaged_table_that_exists_is_searched(vault, monkeypatch):
    class Legacy(models.Model):
        card = TokenizedField()

        class Meta:
            app_label = "tests"
            managed = False
            db_table = "tests_wallet"

    wallet = Wallet.objects.create(card="1")
    monkeypatch.setattr(holders, "tokenized_columns", lambda vault: [Legacy._meta.get_field("card")])
    assert held("default", [wallet.card_token]) == {wallet.card_token}


@pytest.mark.parametrize("error", [OperationalError, ProgrammingError])
def test_search_that_fails_keeps_the_token(vault, monkeypatch, caplog, error):
    (token,) = vaults["default"].tokenize_many(["a"])

    def fail(*args):
        raise error("no")

    monkeypatch.setattr(release, "held", fail)
    with caplog.at_level(logging.ERROR, "django_altr"):
        delete_unheld("default", {"tests.Person.name": [token]})
    assert vault.holds(token)
    assert error.__name__ in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "mysql", reason="one database is enough")
def test_without_autocommit_and_atomic_nothing_is_deleted(vault):
    wallet = Wallet.objects.create(card="1")
    old = wallet.card_token
    transaction.set_autocommit(False)
    try:
        Wallet.objects.update(card="2")
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert vault.holds(old)
