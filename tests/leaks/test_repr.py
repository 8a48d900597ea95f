"""``repr(instance)`` is for logs and error reports: no plaintext is in it, whatever ``__str__`` says."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import models
from django.test.utils import isolate_apps

from django_altr.exceptions import ServiceUnavailable
from django_altr.fields import TokenizedField
from tests.fields.conftest import vault
from tests.models import Person

__all__ = ["vault"]


def test_repr_is_masked_and_str_is_the_authors_choice(vault):
    person = Person.objects.create(name="Canary")
    assert (repr(person), str(person)) == ("<Person: ••••••••>", "Canary")
    assert "Canary" not in repr(Person.objects.all())
    assert "Canary" not in repr(Person(name="Canary"))


def test_repr_asks_no_vault(vault):
    Person.objects.create(name="Canary")
    vault.fail_with(ServiceUnavailable("down"))
    assert repr(Person.objects.get()) == "<Person: ••••••••>"


@isolate_apps("tests")
def test_repr_of_a_class_of_its_own_is_masked(vault):
    class Base(models.Model):
        day = TokenizedField(models.DateField())

        class Meta:
            abstract = True

        def __repr__(self):
            return f"Base({self.day})"

    class Child(Base):
        def __repr__(self):
            return f"Child({self.day})"

    class Odd(Base):
        def __repr__(self):
            return str(1 / self.day)

    class Heir(Base):
        pass

    day = date(1999, 12, 31)
    assert repr(Child(day=day)) == "Child(••••••••)"
    assert repr(Heir(day=day)) == "Base(••••••••)"
    assert repr(Heir(day=None)) == "Base(None)"
    assert repr(Odd(pk=7, day=day)) == "<Odd: 7>"


@pytest.mark.parametrize("model", [Person, Person.orders.rel.related_model])
def test_repr_is_wrapped_once(model):
    assert not hasattr(model.__repr__._altr_original, "_altr_original")
