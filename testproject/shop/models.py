"""A shop: what identifies a customer is in the vault, the rest is in the database."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_altr.fields import TokenizedField


class Customer(models.Model):
    class Segment(models.TextChoices):
        NEW = "new", _("new")
        REGULAR = "regular", _("regular")
        VIP = "vip", _("VIP")

    class Contact(models.TextChoices):
        EMAIL = "email", _("e-mail")
        PHONE = "phone", _("phone")
        NEVER = "never", _("never")

    name = TokenizedField(models.CharField(_("name"), max_length=200))
    email = TokenizedField(models.EmailField(_("e-mail address")))
    phone = TokenizedField(models.CharField(_("phone"), max_length=32, blank=True))
    national_id = TokenizedField(models.CharField(_("national id"), max_length=32, blank=True))
    iban = TokenizedField(models.CharField(_("IBAN"), max_length=34, blank=True))
    birth_date = TokenizedField(models.DateField(_("birth date"), null=True, blank=True))
    # Without metadata values are written 1,024 a request instead of one: right for what no one looks up by label.
    preferred_contact = TokenizedField(
        models.CharField(_("preferred contact"), max_length=8, choices=Contact.choices, blank=True), metadata=None
    )
    notes = TokenizedField(models.TextField(_("notes"), blank=True), metadata=None)
    preferences = TokenizedField(models.JSONField(_("preferences"), default=dict, blank=True), metadata=None)

    segment = models.CharField(_("segment"), max_length=8, choices=Segment.choices, default=Segment.NEW)
    created = models.DateTimeField(_("created"), default=timezone.now)
    source = models.CharField(
        _("source"), max_length=80, editable=False, default="", help_text=_("Where `manage.py demo` took the row from.")
    )
    source_row = models.PositiveBigIntegerField(_("row in the source"), editable=False, null=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["pk"]
        constraints = [
            # Loading the same source again goes on where it stopped.
            models.UniqueConstraint(fields=["source", "source_row"], name="shop_customer_once_per_source"),
        ]

    def __str__(self) -> str:
        # Shown in lists, logs and the admin's history: nothing that is in the vault.
        return f"Customer {self.pk}"


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open", _("open")
        PAID = "paid", _("paid")
        SHIPPED = "shipped", _("shipped")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="orders", verbose_name=_("customer"))
    placed = models.DateTimeField(_("placed"), default=timezone.now)
    total = models.DecimalField(_("total"), max_digits=10, decimal_places=2, validators=[MinValueValidator(0)])
    status = models.CharField(_("status"), max_length=8, choices=Status.choices, default=Status.OPEN)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"Order {self.pk}"
