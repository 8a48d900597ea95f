"""Rows know those that came from the same query, for as long as these live."""

from __future__ import annotations

import gc

import pytest

from django_altr.fields.rows import Peers
from tests.models import Order, Person

MANY = 5000


class Row:
    """What can be referred to weakly."""


def filled(keep: range) -> tuple[Peers[Row], list[Row]]:
    """Return the peers of many rows, and those of them that live."""
    peers: Peers[Row] = Peers()
    kept = []
    for number in range(MANY):
        row = Row()
        peers.add(row)
        if number in keep:
            kept.append(row)
    return peers, kept


def test_references_to_rows_of_an_iterator_do_not_pile_up() -> None:
    peers, _ = filled(range(0))
    assert len(peers.references) < 1000
    assert list(peers) == []


def test_rows_that_live_are_all_found() -> None:
    peers, rows = filled(range(MANY))
    assert list(peers) == rows


@pytest.mark.parametrize("step", [2, 10, 64, 100, 1000])
def test_rows_that_live_among_dead_ones_are_found(step: int) -> None:
    peers, rows = filled(range(0, MANY, step))
    assert list(peers) == rows
    assert len(peers.references) < MANY


@pytest.mark.django_db
def test_rows_need_no_dictionary_for_what_is_remembered(vault) -> None:
    """Python keeps attributes in one once a class has more names than it had at first."""
    person = Person.objects.create(name="Ann", email="ann@x.org", ssn="1")
    assert Order.objects.create(person=person, address="home").person is person  # a name more: fields_cache
    referents = gc.get_referents(Person.objects.get()._state)
    assert dict not in map(type, referents)
