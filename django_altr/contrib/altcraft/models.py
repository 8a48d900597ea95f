"""What was delivered: no plaintext, only keyed hashes of it."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

__all__ = ["Batch", "Delivery"]


class Batch(models.Model):
    """A request that is written down before it is sent, and removed once its outcome is.

    One that is still there was interrupted: it is sent again with the same Request-ID, which is the primary key.
    """

    class Method(models.TextChoices):
        IMPORT = "profiles/import_batch", _("import")
        DELETE = "profiles/delete", _("delete")

    request_id = models.UUIDField(_("Request-ID"), primary_key=True, default=uuid.uuid4, editable=False)
    model = models.CharField(_("model"), max_length=255)
    method = models.CharField(_("method"), max_length=40, choices=Method.choices)
    using = models.CharField(_("settings entry"), max_length=100)
    db_id = models.BigIntegerField(_("database"))
    matching = models.CharField(_("matching"), max_length=40)
    size = models.PositiveIntegerField(_("profiles"))
    created = models.DateTimeField(_("created"), auto_now_add=True)
    # Since when somebody is sending it; empty once that one has given up. A killed one leaves it.
    sending = models.DateTimeField(_("being sent since"), null=True, default=timezone.now)

    class Meta:
        verbose_name = _("interrupted request")
        verbose_name_plural = _("interrupted requests")
        ordering = ["created"]

    def __str__(self) -> str:
        return f"{self.method} {self.request_id}"


class Delivery(models.Model):
    """What the platform has of a row."""

    class State(models.TextChoices):
        NEW = "new", _("not delivered yet")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("refused")
        DELETED = "deleted", _("deleted at the platform")

    model = models.CharField(_("model"), max_length=255)
    row = models.CharField(_("primary key of the row"), max_length=255)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.NEW)
    profile_id = models.CharField(_("profile id"), max_length=100, blank=True, default="", db_index=True)
    db_id = models.BigIntegerField(_("database"), default=0)
    error = models.CharField(_("error"), max_length=255, blank=True, default="")
    when = models.DateTimeField(_("last answer"), null=True)
    # Keyed hashes of what the platform has: of the whole profile, and of the value that it is matched by.
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True, default="")
    matching_fingerprint = models.CharField(max_length=64, blank=True, default="", editable=False)
    # The row is gone, or its consent was withdrawn: the profile is to be deleted.
    unwanted = models.BooleanField(_("to be deleted"), default=False)
    # The claim of a request in flight: no other request about this row is sent meanwhile.
    batch = models.ForeignKey(
        Batch, models.SET_NULL, null=True, blank=True, related_name="deliveries", verbose_name=_("request in flight")
    )
    position = models.PositiveIntegerField(default=0, editable=False)
    sent_fingerprint = models.CharField(max_length=64, blank=True, default="", editable=False)
    sent_matching_fingerprint = models.CharField(max_length=64, blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["model", "row"], name="altcraft_delivery_once_per_row")]

    def __str__(self) -> str:
        return f"{self.model} {self.row}: {self.get_state_display()}"
