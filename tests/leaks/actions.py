"""What is done with the canary: no function here has it in a variable, for error reports show those of every frame."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse

from tests.models import Account, Bare, Chart, Person

from .conftest import PLAINTEXT

__all__ = ["PersonForm", "fail_reading", "fail_writing", "fill", "read_all"]


class PersonForm(forms.ModelForm):
    class Meta:
        model = Person
        fields = ["name", "email"]


def fill() -> Person:
    """Write it in every way."""
    Person.objects.create(name="first")
    Person.objects.bulk_create([Person(name=PLAINTEXT.text, ssn=PLAINTEXT.text) for _ in range(2)])
    Person.objects.filter(name__token=Person.objects.first().name_token).update(ssn=PLAINTEXT.text)
    person = Person.objects.last()
    person.email = f"{PLAINTEXT.word}@example.com"
    person.save()
    Person.objects.bulk_update([person], ["name"])
    Account.objects.create(iban=PLAINTEXT.text, note=PLAINTEXT.text * 300)
    Bare.objects.create(value=PLAINTEXT.text)
    chart = Chart.objects.create(name=PLAINTEXT.text, file={PLAINTEXT.text: [PLAINTEXT.text]})
    chart.ward = "7"
    chart.save()
    return person


def read_all() -> list[Person]:
    """Read it in every way."""
    people = list(Person.objects.prefetch_related("name", "ssn"))
    assert people[-1].name == PLAINTEXT.text
    assert people[-1].email
    assert Person.objects.values_list("name", flat=True).last()() == PLAINTEXT.text
    assert Account.objects.get(iban=PLAINTEXT.text).note
    assert Account.objects.filter(iban__in=[PLAINTEXT.text, "x"]).count() == 1
    assert Bare.objects.get().value == PLAINTEXT.text
    assert [record.name for record in Chart.history.all()] == [PLAINTEXT.text] * 2
    return people


def fail_reading(request: HttpRequest) -> HttpResponse:
    people = list(Person.objects.all())
    return HttpResponse(people[-1].name + people[-1].email)


def fail_writing(request: HttpRequest) -> HttpResponse:
    person = Person.objects.prefetch_related("name", "ssn").last()
    form = PersonForm(instance=person)
    person.name, person.ssn = PLAINTEXT.text + "!", PLAINTEXT.text + "?"
    assert form.as_p()
    person.save()
    return HttpResponse("saved")
