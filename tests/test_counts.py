"""What reading and writing costs: requests and connections as the server counts them, and database queries."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext

from django_altr import vaults
from django_altr.fields import PrefetchTokenized
from django_altr.sandbox import Sandbox
from tests.models import Account, Bare, Order, Person

READ, BATCH, PUT = "PUT /api/v1/batch", "POST /api/v1/batch", "POST /api/v1/single/"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def server(sandbox: Sandbox, settings: Any) -> Iterator[Sandbox]:
    settings.ALTR = {"default": sandbox.settings(max_workers=4)}
    yield sandbox
    vaults["default"].close()


def write(server: Sandbox, count: int) -> None:
    Bare.objects.bulk_create(Bare(value=f"value {n}", other=f"other {n}") for n in range(count))
    server.reset(values=False)


def values(rows: Any) -> list[str]:
    return [row.value for row in rows]


@pytest.mark.parametrize("rows", [1, 2, 1023, 1024, 1025, 2048, 2500])
def test_reading_n_rows_costs_a_request_for_1024(server: Sandbox, rows: int) -> None:
    write(server, rows)
    assert values(Bare.objects.order_by("pk")) == [f"value {n}" for n in range(rows)]
    assert server.counts == {READ: math.ceil(rows / 1024)}


TEMPLATE = Template("{% for row in rows %}{{ row.value }} {% endfor %}")
WAYS: dict[str, Callable[[Any], object]] = {
    "loop": values,
    "template": lambda rows: TEMPLATE.render(Context({"rows": rows})),
    "prefetch": lambda rows: values(rows.prefetch_related("value")),
    "iterator": lambda rows: values(rows.prefetch_related("value").iterator(chunk_size=1024)),
    "slice": lambda rows: values(rows[:1500]),
    "values_list": lambda rows: [value() for value in rows.values_list("value", flat=True)],
    "values": lambda rows: [row["value"]() for row in rows.values("value")],
    "raw": lambda rows: values(Bare.objects.raw("SELECT * FROM tests_bare")),
    "only": lambda rows: values(rows.only("value")),
    "in reverse": lambda rows: values(reversed(rows.all())),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_reading_has_a_request_for_each_row(server: Sandbox, way: str) -> None:
    write(server, 1500)
    with CaptureQueriesContext(connection) as queries:
        WAYS[way](Bare.objects.all())
    assert server.counts == {READ: 2}
    assert len(queries) == 1


def test_values_of_related_rows_are_read_together(server: Sandbox) -> None:
    for n in range(3):
        person = Person.objects.create(name=f"N{n}", email="", ssn=None)
        Order.objects.create(person=person, address=f"A{n}")
    server.reset(values=False)
    orders = Order.objects.select_related("person")
    assert [(order.person.name, order.address) for order in orders] == [(f"N{n}", f"A{n}") for n in range(3)]
    assert server.counts == {READ: 2}


def test_a_page_of_25_rows_and_two_fields_is_one_request_and_one_query(server: Sandbox) -> None:
    write(server, 30)
    with CaptureQueriesContext(connection) as queries:
        page = list(Bare.objects.order_by("pk").prefetch_related(PrefetchTokenized("value", "other"))[:25])
        assert [(row.value, row.other) for row in page] == [(f"value {n}", f"other {n}") for n in range(25)]
    assert server.counts == {READ: 1}
    assert len(queries) == 1


def test_rows_that_are_not_touched_cost_nothing(server: Sandbox) -> None:
    write(server, 10)
    assert [row.value_token for row in Bare.objects.all()]
    assert list(Bare.objects.values_list("pk", "number"))
    assert (server.counts, server.connections) == ({}, 0)


def test_a_token_of_many_rows_is_asked_for_once(server: Sandbox) -> None:
    write(server, 1)
    token = Bare.objects.get().value_token
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO tests_bare (value) VALUES (%s)", [[str(token)]] * 1500)
    assert set(values(Bare.objects.all())) == {"value 0"}
    assert [record.values for record in server.requests] == [1]


def test_reads_one_after_the_other_share_a_connection(server: Sandbox) -> None:
    write(server, 3)
    vaults["default"].close()
    server.reset(values=False)
    for _ in range(5):
        values(Bare.objects.all())
    assert (server.counts, server.connections) == ({READ: 5}, 1)


def test_batches_of_one_read_are_in_flight_together(server: Sandbox) -> None:
    write(server, 3 * 1024)
    together = threading.Barrier(3, timeout=10)
    find = server.store.get_many

    def find_together(tokens: Any) -> Any:
        together.wait()  # passes only if three requests are being served at once
        return find(tokens)

    server.store.get_many = find_together  # type: ignore[method-assign]
    try:
        assert len(values(Bare.objects.all())) == 3 * 1024
    finally:
        del server.store.get_many
    assert server.counts == {READ: 3}


def test_a_read_in_flight_is_not_repeated_by_another_thread(server: Sandbox) -> None:
    write(server, 10)
    rows = list(Bare.objects.order_by("pk"))
    with server.misbehave(latency=0.2), ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda row: row.value, rows[:4]))
    assert found == [f"value {n}" for n in range(4)]
    assert server.counts == {READ: 1}


def test_no_more_connections_than_workers(server: Sandbox) -> None:
    write(server, 8 * 1024)
    vaults["default"].close()
    server.reset(values=False)
    values(Bare.objects.all())
    assert server.counts == {READ: 8}
    assert server.connections <= 4


def test_a_save_costs_a_request_for_each_changed_value_with_metadata(server: Sandbox) -> None:
    person = Person.objects.create(name="a", email="b", ssn="c")
    server.reset(values=False)
    person.name, person.email, person.ssn = "A", "B", "C"
    with CaptureQueriesContext(connection) as queries:
        person.save()
    assert server.counts == {PUT: 3}
    assert len(queries) == 1
    person.save()
    assert server.counts == {PUT: 3}


def test_many_new_rows_are_written_in_batches(server: Sandbox) -> None:
    Bare.objects.bulk_create(Bare(value=f"value {n}") for n in range(2500))
    assert server.counts == {BATCH: 3}


def test_equal_deterministic_values_are_sent_once(server: Sandbox) -> None:
    Account.objects.bulk_create(Account(iban=f"iban {n}", owner_ssn="same", note=None) for n in range(10))
    assert sum(record.values for record in server.requests) == 11


def test_many_changed_rows_are_written_in_batches(server: Sandbox) -> None:
    write(server, 1500)
    rows = list(Bare.objects.all())
    for row in rows:
        row.value = f"new {row.pk}"
    Bare.objects.bulk_update(rows, ["value"], batch_size=500)
    assert server.counts == {BATCH: 2}
