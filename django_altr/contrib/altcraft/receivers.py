"""What a saved or deleted row leads to, in its own transaction and after its commit."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Model, signals

from .mapping import ProfileMapping, registry
from .models import Delivery
from .profiles import SALT

__all__ = ["connect"]


def connect() -> None:
    """Listen to the models that have a mapping, and to their proxies and children.

    Not to all models: one that is listened to cannot be deleted from without reading its rows first.
    """
    concrete = tuple(mapping.model._meta.concrete_model or mapping.model for mapping in registry)
    for model in apps.get_models():
        if issubclass(model, concrete):
            signals.post_save.connect(row_saved, sender=model, dispatch_uid=f"{SALT}.saved")
            signals.pre_delete.connect(row_deleted, sender=model, dispatch_uid=f"{SALT}.deleted")


def row_saved(instance: Model, raw: bool = False, using: str | None = None, **kwargs: Any) -> None:
    for mapping in registry.of_instance(instance) if not raw else ():
        if mapping.on_change:
            _enqueue_after_commit(mapping, str(instance.pk), using)


def row_deleted(instance: Model, using: str | None = None, **kwargs: Any) -> None:
    # The profile is known by its id: no value of the row has to be kept.
    for mapping in registry.of_instance(instance):
        Delivery.objects.filter(model=mapping.label, row=str(instance.pk)).exclude(state=Delivery.State.DELETED).update(
            unwanted=True
        )
        if mapping.on_change:
            _enqueue_after_commit(mapping, str(instance.pk), using)


def _enqueue_after_commit(mapping: ProfileMapping, row: str, using: str | None) -> None:
    from .tasks import deliver

    # Robust: a queue that is down must not fail the request whose data is saved; altcraft_sync delivers it later.
    transaction.on_commit(partial(deliver.enqueue, mapping.label, row), using=using, robust=True)
