"""Deliver tokenized profiles to the Altcraft Platform (extra ``django-altr[altcraft]``).

In an app's ``altcraft.py``, which is found as ``admin.py`` is::

    from django_altr.contrib import altcraft

    @altcraft.register(Customer)
    class CustomerProfile(altcraft.ProfileMapping):
        db_id = 1
        matching = "email"
        fields = {"email": "email", "_fname": lambda customer: customer.name.split()[0]}
"""

from __future__ import annotations

from .answers import Answer
from .client import Client
from .clients import clients
from .mapping import AlreadyRegistered, NotRegistered, ProfileMapping, register, registry

__all__ = [
    "AlreadyRegistered",
    "Answer",
    "Client",
    "NotRegistered",
    "ProfileMapping",
    "clients",
    "register",
    "registry",
]
