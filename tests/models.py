"""Models of the test suite."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from simple_history.models import HistoricalRecords

from django_altr.fields import TokenizedField


class Money(models.Field):
    """A third-party field: a whole number of cents, written as text its own way."""

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def to_python(self, value: Any) -> Any:
        return int(value.removesuffix(" cents")) if isinstance(value, str) else value

    def value_to_string(self, obj: Any) -> str:
        return f"{self.value_from_object(obj)} cents"


class Person(models.Model):
    """The usual case."""

    name = TokenizedField(models.CharField(max_length=200))
    email = TokenizedField(models.EmailField(blank=True))
    ssn = TokenizedField(models.CharField(max_length=20, null=True, blank=True))
    age = models.IntegerField(default=0)
    team = models.CharField(max_length=20, default="")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.name)


class Order(models.Model):
    person = models.ForeignKey(Person, models.CASCADE, related_name="orders")
    address = TokenizedField(models.TextField(blank=True, default=""))


class Everything(models.Model):
    """One field of every base type."""

    char = TokenizedField(models.CharField(max_length=5000, null=True))
    text = TokenizedField(models.TextField(null=True))
    email = TokenizedField(models.EmailField(null=True))
    url = TokenizedField(models.URLField(null=True))
    slug = TokenizedField(models.SlugField(null=True))
    integer = TokenizedField(models.IntegerField(null=True))
    small = TokenizedField(models.SmallIntegerField(null=True))
    positive = TokenizedField(models.PositiveIntegerField(null=True))
    positive_small = TokenizedField(models.PositiveSmallIntegerField(null=True))
    positive_big = TokenizedField(models.PositiveBigIntegerField(null=True))
    big = TokenizedField(models.BigIntegerField(null=True))
    boolean = TokenizedField(models.BooleanField(null=True))
    decimal = TokenizedField(models.DecimalField(max_digits=12, decimal_places=2, null=True))
    float = TokenizedField(models.FloatField(null=True))
    date = TokenizedField(models.DateField(null=True))
    datetime = TokenizedField(models.DateTimeField(null=True))
    time = TokenizedField(models.TimeField(null=True))
    duration = TokenizedField(models.DurationField(null=True))
    uuid = TokenizedField(models.UUIDField(null=True))
    json = TokenizedField(models.JSONField(null=True, encoder=DjangoJSONEncoder))
    binary = TokenizedField(models.BinaryField(null=True))
    ip = TokenizedField(models.GenericIPAddressField(null=True))
    money = TokenizedField(Money(null=True))


class Options(models.Model):
    """Defaults, choices, automatic dates."""

    level = TokenizedField(models.CharField(max_length=1, choices=[("g", "Gold"), ("s", "Silver")], default="s"))
    code = TokenizedField(models.UUIDField(default=uuid.uuid4))
    score = TokenizedField(models.IntegerField(default=0))
    tags = TokenizedField(models.JSONField(default=list))
    changed = TokenizedField(models.DateTimeField(auto_now=True))
    created = TokenizedField(models.DateTimeField(auto_now_add=True))


class Account(models.Model):
    """Deterministic fields, which can be looked up."""

    iban = TokenizedField(models.CharField(max_length=34, unique=True), deterministic=True)
    owner_ssn = TokenizedField(models.CharField(max_length=20, null=True), deterministic=True)
    note = TokenizedField(models.TextField(null=True, blank=True), metadata=None)
    balance = models.IntegerField(default=0)


class Payee(models.Model):
    iban = TokenizedField(models.CharField(max_length=34), deterministic=True)
    label = models.CharField(max_length=20, default="")


class Bare(models.Model):
    """Without metadata: values travel in batches."""

    value = TokenizedField(models.TextField(null=True), metadata=None)
    other = TokenizedField(models.TextField(null=True), metadata=None)
    number = models.IntegerField(unique=True, null=True)


def label_of(instance: models.Model | None, field: TokenizedField) -> str | None:
    return f"{field.name} of {instance.pk}" if instance is not None else None


class Labelled(models.Model):
    fixed = TokenizedField(models.TextField(null=True), metadata="a file name.txt")
    computed = TokenizedField(models.TextField(null=True), metadata=label_of)


class Contact(models.Model):
    """The parent of a multi-table inheritance."""

    phone = TokenizedField(models.CharField(max_length=30))


class Supplier(Contact):
    tax_id = TokenizedField(models.CharField(max_length=30))
    rating = models.IntegerField(default=0)


class ContactProxy(Contact):
    class Meta:
        proxy = True


class Base(models.Model):
    secret = TokenizedField(models.CharField(max_length=30))

    class Meta:
        abstract = True


class Concrete(Base):
    extra = models.CharField(max_length=10, default="")


class NamedManager(models.Manager["Named"]):
    def get_by_natural_key(self, code: str) -> Named:
        return self.get(code=code)


class Named(models.Model):
    code = models.CharField(max_length=10, unique=True)
    secret = TokenizedField(models.TextField(null=True))
    friend = models.ForeignKey("self", models.SET_NULL, null=True)

    objects = NamedManager()

    def natural_key(self) -> tuple[str]:
        return (self.code,)


class Twin(models.Model):
    """A tokenized column beside plain ones, for the model-based test."""

    name = TokenizedField(models.CharField(max_length=100, null=True))
    number = TokenizedField(models.IntegerField(null=True))
    data = TokenizedField(models.JSONField(null=True))
    key = TokenizedField(models.CharField(max_length=100, null=True), deterministic=True)
    group = models.IntegerField(default=0)


class PlainTwin(models.Model):
    name = models.CharField(max_length=100, null=True)
    number = models.IntegerField(null=True)
    data = models.JSONField(null=True)
    key = models.CharField(max_length=100, null=True)
    group = models.IntegerField(default=0)


class Membership(models.Model):
    """A deterministic field in a unique constraint with a plain one."""

    club = models.CharField(max_length=20)
    number = TokenizedField(models.CharField(max_length=20), deterministic=True)
    note = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["club", "number"], name="one_membership_a_club")]


class Country(models.Model):
    code = models.CharField(max_length=2)
    motto = TokenizedField(models.TextField(blank=True), metadata=None)


class Subscriber(models.Model):
    """Delivered to the Altcraft Platform by the mapping in ``tests/altcraft/__init__.py``."""

    email = TokenizedField(models.EmailField(blank=True), metadata=None)
    name = TokenizedField(models.CharField(max_length=100), metadata=None)
    phone = TokenizedField(models.CharField(max_length=30, blank=True), metadata=None)
    city = models.CharField(max_length=50, default="")
    country = models.ForeignKey(Country, models.SET_NULL, null=True)
    wants_mail = models.BooleanField(default=True)
    updated = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"  # as careless as people are


class Chart(models.Model):
    """With its history kept by django-simple-history."""

    name = TokenizedField(models.CharField(max_length=100))
    file = TokenizedField(models.JSONField(null=True), metadata=None)
    ward = models.CharField(max_length=20, default="")

    history = HistoricalRecords()

    def __str__(self) -> str:
        return str(self.name)


class Wallet(models.Model):
    """Values that end with their rows."""

    card = TokenizedField(models.CharField(max_length=30, null=True), on_delete="delete")
    pin = TokenizedField(models.CharField(max_length=30, null=True), on_delete="delete", deterministic=True)
    note = TokenizedField(models.TextField(null=True))
    label = models.CharField(max_length=20, unique=True, null=True)
    active = models.BooleanField(default=True)


class Ticket(models.Model):
    wallet = models.ForeignKey(Wallet, models.CASCADE)
    seat = TokenizedField(models.CharField(max_length=30), on_delete="delete")


class Party(models.Model):
    phone = TokenizedField(models.CharField(max_length=30), on_delete="delete")


class Company(Party):
    tax_id = TokenizedField(models.CharField(max_length=30), on_delete="delete")


class PartyProxy(Party):
    class Meta:
        proxy = True


class ActiveManager(models.Manager["Patient"]):
    def get_queryset(self) -> models.QuerySet[Patient]:
        return super().get_queryset().filter(hidden=False)


class Patient(models.Model):
    """Somebody who may ask to be forgotten; hidden rows are the default manager's secret."""

    name = TokenizedField(models.CharField(max_length=100), erased="(erased)")
    ssn = TokenizedField(models.CharField(max_length=20, null=True))
    iban = TokenizedField(models.CharField(max_length=34, null=True, unique=True), deterministic=True)
    hidden = models.BooleanField(default=False)

    objects = ActiveManager()

    class Meta:
        base_manager_name = "objects"


class Split(models.Model):
    """Values in two vaults."""

    home = TokenizedField(models.CharField(max_length=30, null=True), metadata=None)
    away = TokenizedField(models.CharField(max_length=30, null=True), vault="second", metadata=None)
    far = TokenizedField(models.CharField(max_length=30, null=True), vault="second", metadata=None)


class Remark(models.Model):
    """Belongs to an object of any model."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    target = GenericForeignKey()
    text = TokenizedField(models.TextField())
