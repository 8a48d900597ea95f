"""Rows that tell whether a value is theirs: a plain column holds the digest of the tokenized one."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from tests.models import Person

__all__ = ["READS", "WRITES", "Checked", "is_right"]


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:20]


def new_value(choose: random.Random) -> str:
    return f"{choose.random()} Ä" * choose.choice([1, 1, 1, 3, 200])


def new_person(choose: random.Random) -> Person:
    value = new_value(choose)
    return Person(name=value, team=digest(value))


def is_right(person: Person) -> bool:
    return digest(person.name) == person.team


def give_new_value(person: Person, choose: random.Random) -> None:
    value = new_value(choose)
    person.name, person.team = value, digest(value)


class Checked:
    """What one thread did: numbers only."""

    def __init__(self) -> None:
        self.operations = self.errors = self.wrong = 0
        self.untyped: list[str] = []

    def check(self, *people: Person) -> None:
        self.wrong += sum(not is_right(person) for person in people)


def some(choose: random.Random, count: int = 10) -> list[Person]:
    """Rows of anybody, this thread's and other processes'."""
    newest = Person.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    first = choose.randint(0, newest)
    return list(Person.objects.filter(pk__gte=first)[:count])


def create(choose: random.Random, checked: Checked) -> None:
    person = new_person(choose)
    person.save()
    checked.check(person, Person.objects.get(pk=person.pk))


def bulk_create(choose: random.Random, checked: Checked) -> None:
    checked.check(*Person.objects.bulk_create([new_person(choose) for _ in range(choose.randint(1, 20))]))


def save(choose: random.Random, checked: Checked) -> None:
    for person in some(choose, 1):
        give_new_value(person, choose)
        person.save(update_fields=["name", "team"])


def bulk_update(choose: random.Random, checked: Checked) -> None:
    people = some(choose, 3)
    for person in people:
        give_new_value(person, choose)
    Person.objects.bulk_update(sorted(people, key=lambda person: person.pk), ["name", "team"])


def update(choose: random.Random, checked: Checked) -> None:
    for person in some(choose, 1):
        value = new_value(choose)
        Person.objects.filter(pk=person.pk).update(name=value, team=digest(value))


def read_lazily(choose: random.Random, checked: Checked) -> None:
    checked.check(*some(choose))


def prefetch(choose: random.Random, checked: Checked) -> None:
    first = choose.choice(some(choose, 1) or [Person(pk=0)]).pk
    checked.check(*Person.objects.filter(pk__gte=first).prefetch_related("name")[:50])


def read_values(choose: random.Random, checked: Checked) -> None:
    for person in some(choose, 1):
        row = Person.objects.filter(pk=person.pk).values("name", "team").get()
        checked.wrong += digest(row["name"]()) != row["team"]


def roll_back(choose: random.Random, checked: Checked) -> None:
    from django.db import transaction

    with transaction.atomic():
        for person in some(choose, 1):
            give_new_value(person, choose)
            person.save()
        transaction.set_rollback(True)


Operation = Callable[[random.Random, Checked], None]
READS: list[Operation] = [read_lazily, prefetch, read_values]
WRITES: list[Operation] = [create, bulk_create, save, bulk_update, update, roll_back]
