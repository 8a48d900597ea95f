"""Tests of ``contrib.altcraft``; for the app ``tests`` this is its module ``altcraft``, which is found by its name."""

from __future__ import annotations

import os

from django_altr.contrib import altcraft
from tests.models import Subscriber


def first_name(subscriber: Subscriber) -> str:
    return str(subscriber.name).split()[0]


@altcraft.register(Subscriber)
class SubscriberProfile(altcraft.ProfileMapping):
    db_id = 1
    resource_id = 1
    fields = {"email": "email", "_fname": first_name, "phones": "phone", "city": "city"}
    reads = ["name"]
    consent = "wants_mail"
    modified = "updated"
    on_change = "ALTCRAFT_ON_CHANGE" in os.environ
