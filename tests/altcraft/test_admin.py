"""The records in the admin: to look at only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from django_altr.contrib.altcraft.models import Batch, Delivery
from django_altr.sandbox import Sandbox

from .conftest import IMPORT_BATCH, subscribers


@pytest.mark.parametrize("name", ["delivery", "batch"])
def test_records_can_be_looked_at_and_not_changed(
    admin_client: Browser, sync: Callable[..., Any], sandbox: Sandbox, name: str
) -> None:
    subscribers(1)
    sync()
    subscribers(1)
    with sandbox.misbehave(route=IMPORT_BATCH, drop="before"):
        sync()
    record = {"delivery": Delivery, "batch": Batch}[name].objects.latest("pk")  # type: ignore[attr-defined]
    assert admin_client.get(reverse(f"admin:altcraft_{name}_changelist")).status_code == 200
    page = admin_client.get(reverse(f"admin:altcraft_{name}_change", args=[record.pk]))
    assert page.status_code == 200
    assert admin_client.get(reverse(f"admin:altcraft_{name}_add")).status_code == 403
    assert admin_client.post(reverse(f"admin:altcraft_{name}_delete", args=[record.pk])).status_code == 403
