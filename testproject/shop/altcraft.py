"""Which customers go to the marketing platform: `python manage.py altcraft_sync shop.Customer`."""

from __future__ import annotations

from django_altr.contrib import altcraft

from .models import Customer


def first_name(customer: Customer) -> str:
    return str(customer.name).partition(" ")[0]


def last_name(customer: Customer) -> str:
    return str(customer.name).partition(" ")[2]


def may_be_written_to(customer: Customer) -> bool:
    return bool(customer.preferred_contact != Customer.Contact.NEVER)


@altcraft.register(Customer)
class CustomerProfile(altcraft.ProfileMapping):
    db_id = 1
    resource_id = 1
    fields = {
        "email": "email",
        "phones": "phone",
        "_fname": first_name,
        "_lname": last_name,
        "segment": "segment",
    }
    reads = ["name"]
    consent = may_be_written_to
    modified = "created"
