"""The field against a real vault over a socket; requests are counted there."""

from __future__ import annotations

import pytest
from django.core import serializers
from django.db import connection
from django.template import Context, Template

from django_altr import vaults
from django_altr.exceptions import (
    Forbidden,
    TokenNotFound,
    Unauthorized,
    VaultConnectionError,
)
from django_altr.sandbox import Key
from tests.models import Account, Bare, Labelled, Order, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(settings, sandbox):
    settings.ALTR = {"default": sandbox.settings()}
    return sandbox


@pytest.fixture
def rows(vault):
    Bare.objects.bulk_create([Bare(value=str(number)) for number in range(2100)])
    vault.reset(values=False)


def reads(vault):
    return vault.count("PUT /api/v1/batch")


WAYS = {
    "loop": lambda: [bare.value for bare in Bare.objects.order_by("pk")],
    "template": lambda: (
        Template("{% for b in rows %}{{ b.value }} {% endfor %}")
        .render(Context({"rows": Bare.objects.order_by("pk")}))
        .split()
    ),
    "values_list": lambda: [value() for value in Bare.objects.order_by("pk").values_list("value", flat=True)],
    "values": lambda: [row["value"]() for row in Bare.objects.order_by("pk").values("value")],
    "prefetch": lambda: [bare.value for bare in Bare.objects.order_by("pk").prefetch_related("value")],
    "in_bulk": lambda: [bare.value for bare in Bare.objects.order_by("pk").in_bulk().values()],
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_cost_a_request_for_each_full_batch(vault, rows, way):
    assert WAYS[way]() == [str(number) for number in range(2100)]
    assert reads(vault) == 3
    assert len(vault.requests) == 3


def test_related_rows_cost_a_request_for_each_full_batch(vault):
    person = Person.objects.create(name="Ada")
    Order.objects.bulk_create([Order(person=person) for _ in range(1500)])
    vault.reset(values=False)
    assert {order.person.name for order in Order.objects.select_related("person")} == {"Ada"}
    assert reads(vault) == 1


def test_serializing_costs_no_request(vault, rows):
    serializers.serialize("xml", Bare.objects.all())
    assert vault.requests == []


def test_save_is_put_data_with_the_label(vault):
    person = Person.objects.create(name="Ada", email="a@x.org")
    assert vault.count("POST /api/v1/single/") == 2
    assert vaults["default"].metadata(person.name_token) == "tests.Person.name"
    assert vaults["default"].status(person.name_token)["data_available"]


def test_metadata_survives_the_header(vault):
    labelled = Labelled.objects.create(fixed="x", computed="y")
    assert vaults["default"].metadata(labelled.fixed_token) == "a file name.txt"


def test_bulk_create_without_metadata_sends_full_batches(vault):
    Bare.objects.bulk_create([Bare(value=str(number)) for number in range(2500)])
    assert vault.count("POST /api/v1/batch") == 3
    assert len(vault.requests) == 3


def test_bulk_update_without_metadata_sends_full_batches(vault, rows):
    bares = list(Bare.objects.order_by("pk"))
    for bare in bares:
        bare.value = f"new {bare.pk}"
    Bare.objects.bulk_update(bares, ["value"])
    assert vault.count("POST /api/v1/batch") == 3
    assert Bare.objects.get(pk=bares[-1].pk).value == f"new {bares[-1].pk}"


def test_large_values_round_trip(vault):
    for size in (3000, 3072, 3073, 100_000, 1_000_000):
        pk = Bare.objects.create(value="é" * (size // 2)).pk
        assert Bare.objects.get(pk=pk).value == "é" * (size // 2)


def test_rows_of_large_and_small_values_round_trip(vault):
    values = ["a" * size for size in (1, 4000, 2, 5000, 3)]
    Bare.objects.bulk_create([Bare(value=value) for value in values])
    assert [bare.value for bare in Bare.objects.order_by("pk")] == values


def test_lookup_by_plaintext(vault):
    account = Account.objects.create(iban="DE1")
    vault.reset(values=False)
    assert Account.objects.get(iban="DE1") == account
    assert not Account.objects.filter(iban="DE2").exists()
    assert len(vault.requests) == 2


def test_save_with_an_unreachable_vault_loses_nothing(vault, settings):
    person = Person.objects.create(name="Ada")
    vault.stop()
    try:
        person.name = "Grace"
        with pytest.raises(VaultConnectionError, match="default"):
            person.save()
        assert person.name == "Grace"
        assert Person.objects.get().name_token
        with pytest.raises(VaultConnectionError):
            Person.objects.get().name  # noqa: B018
    finally:
        vault.start()
    vaults.reset()
    assert Person.objects.get().name == "Ada"
    person.save()
    assert Person.objects.get().name == "Grace"


def test_wrong_secret_is_unauthorized(vault, settings):
    settings.ALTR = {"default": {**vault.settings(), "SECRET": "wrong"}}
    with pytest.raises(Unauthorized):
        Person.objects.create(name="Ada")
    assert Person.objects.count() == 0


def test_read_only_key_cannot_save(vault, settings):
    Person.objects.create(name="Ada")
    reader = vault.add_key(Key("reader", "reader-secret", {"read"}))
    settings.ALTR = {"default": vault.settings(key=reader)}
    person = Person.objects.get()
    assert person.name == "Ada"
    person.name = "Grace"
    with pytest.raises(Forbidden, match="write"):
        person.save()


def test_write_only_key_can_change_values_blind(vault, settings):
    Person.objects.create(name="Ada", email="a@x.org")
    writer = vault.add_key(Key("writer", "writer-secret", {"write"}))
    settings.ALTR = {"default": vault.settings(key=writer)}
    person = Person.objects.get()
    with pytest.raises(Forbidden, match="read"):
        person.name  # noqa: B018
    person.name = "Grace"
    person.save()
    settings.ALTR = {"default": vault.settings()}
    assert (Person.objects.get().name, Person.objects.get().email) == ("Grace", "a@x.org")


def test_tampered_column_is_an_unknown_token(vault):
    Person.objects.create(name="Ada")
    for text in ("../../admin", "chain_" + "0" * 64, "plaintext that was there before", "a/b?c#d", "null"):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE tests_person SET name = %s", [text])
        with pytest.raises(TokenNotFound) as caught:
            Person.objects.get().name  # noqa: B018
        assert caught.value.tokens == (text,)
    assert {record.path for record in vault.requests} <= {"/api/v1/batch", "/api/v1/single/"}
