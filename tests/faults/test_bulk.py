"""A bulk write that fails before its first statement leaves nothing behind for the next one."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from tests.fields.conftest import vault
from tests.models import Person

__all__ = ["vault"]


def fail(*args: Any, **kwargs: Any) -> None:
    raise OperationalError("The connection was lost.")


@pytest.mark.parametrize("same", [True, False])
def test_bulk_create_after_a_lost_connection(vault, monkeypatch, same):
    people = [Person(name="a"), Person(name="b")]
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(QuerySet, "_batched_insert", fail)
        with transaction.atomic():  # the test's own transaction goes on
            Person.objects.bulk_create(people)
    again = people if same else [Person(name="c")]
    Person.objects.bulk_create(again)
    assert vault.writes == [len(again)]
    assert [person.name for person in Person.objects.all()] == [person.name for person in again]


def test_bulk_update_after_a_lost_connection(vault, monkeypatch):
    people = Person.objects.bulk_create([Person(name="a"), Person(name="b")])
    vault.forget()
    people[0].name, people[1].name = "c", "d"
    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(transaction.Atomic, "__enter__", fail)
        Person.objects.bulk_update(people, ["name"])
    Person.objects.bulk_update(people[1:], ["name"])
    assert vault.writes == [1]
    people[0].save()
    assert [person.name for person in Person.objects.all()] == ["c", "d"]
