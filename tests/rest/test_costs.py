"""A list costs one request for 1,024 values, whatever the number of tokenized fields and rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers

from django_altr.fields import PrefetchTokenized
from tests.models import Bare, Order, Person

from .api import MaskedPerson, RevealedOrder, RevealedPerson, serializer

RevealedBare = serializer(Bare, reveal="__all__")


@pytest.fixture
def people(vault):
    Person.objects.bulk_create(Person(name=f"N{i}", email=f"n{i}@example.org", ssn=str(i)) for i in range(25))
    vault.forget()


def test_a_masked_list_asks_nothing(people, vault):
    assert len(MaskedPerson(Person.objects.all(), many=True).data) == 25
    assert vault.calls == []


def test_a_page_of_three_fields_is_one_request(people, vault):
    data = RevealedPerson(Person.objects.all(), many=True).data
    assert [row["email"] for row in data] == [f"n{i}@example.org" for i in range(25)]
    assert vault.calls == [("detokenize", 75)]


def test_a_page_is_one_query(people):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        RevealedPerson(Person.objects.all(), many=True).data  # noqa: B018
    assert len(queries) == 1


def test_only_revealed_fields_are_asked_for(people, vault):
    Emails = serializer(Person, ["name", "email", "ssn"], reveal=["email"])
    Emails(Person.objects.all(), many=True).data  # noqa: B018
    assert vault.calls == [("detokenize", 25)]


def test_what_was_prefetched_is_not_asked_for_again(people, vault):
    rows = Person.objects.prefetch_related(PrefetchTokenized("name", "email", "ssn"))
    RevealedPerson(rows, many=True).data  # noqa: B018
    assert vault.calls == [("detokenize", 75)]


def test_nested_rows_are_read_together(people, vault):
    Order.objects.bulk_create(Order(person=person, address=f"street {person.pk}") for person in Person.objects.all())
    vault.forget()
    data = RevealedOrder(Order.objects.select_related("person"), many=True).data
    assert data[3]["person"]["name"] == "N3"
    assert vault.calls == [("detokenize", 75), ("detokenize", 25)]


def test_the_rows_of_all_parents_are_read_together(people, vault):
    class WithOrders(serializers.ModelSerializer):
        orders = serializer(Order, ["address"], reveal=["address"])(many=True)

        class Meta:
            model = Person
            fields = ["orders"]

    Order.objects.bulk_create(
        Order(person=person, address=f"street {n}") for person in Person.objects.all() for n in "ab"
    )
    vault.forget()
    data = WithOrders(Person.objects.prefetch_related("orders"), many=True).data
    assert [order["address"] for order in data[3]["orders"]] == ["street a", "street b"]
    assert vault.calls == [("detokenize", 50)]


def test_the_answer_to_a_new_row_reads_nothing(vault):
    bound = RevealedPerson(data={"name": "Ada", "email": "ada@example.org"})
    bound.is_valid(raise_exception=True)
    bound.save()
    assert bound.data["name"] == "Ada"
    assert vault.reads == []


def test_requests_counted_at_the_vault(db, sandbox, settings):
    settings.ALTR = {"default": sandbox.settings()}
    Bare.objects.bulk_create(Bare(value=f"value {i}", other=f"other {i}") for i in range(1_100))
    sandbox.reset(values=False)
    data = RevealedBare(Bare.objects.order_by("pk"), many=True).data
    assert [row["other"] for row in data] == [f"other {i}" for i in range(1_100)]
    assert sandbox.counts == {"PUT /api/v1/batch": 3}  # 2,200 values
