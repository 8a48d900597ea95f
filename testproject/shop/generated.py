"""Customers made up with Faker: row ``n`` of a seed is always the same person."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal

from faker import Faker

from .models import Customer, Order

#: Dates are drawn from the time before this day, so that a seed gives the same data on any day.
EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class GeneratedSource:
    """``count`` customers of a seed."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.name = f"demo:{seed}"
        self.title = f"{count:,} generated customers"

    def rows(self, skip: set[int]) -> Iterator[Customer]:
        """Yield the unsaved customers whose row number is not in ``skip``."""
        faker = Faker("en_GB", use_weighting=False)
        for row in range(1, self.count + 1):
            if row not in skip:
                yield self._customer(faker, row)

    def _customer(self, faker: Faker, row: int) -> Customer:
        faker.seed_instance(f"{self.seed}:{row}")
        chance = faker.random
        name = faker.name()
        return Customer(
            name=name,
            email=f"{faker.user_name()}.{row}@example.com",
            phone=faker.phone_number(),
            national_id=faker.ssn(),
            iban=faker.iban(),
            birth_date=faker.date_between(dt.date(1940, 1, 1), dt.date(2007, 12, 31)),
            preferred_contact=chance.choice(Customer.Contact.values),
            notes=faker.sentence() if chance.random() < 0.3 else "",
            preferences={"newsletter": chance.random() < 0.5, "language": chance.choice(["en", "de", "fr"])},
            segment=chance.choice(Customer.Segment.values),
            created=EPOCH - dt.timedelta(minutes=chance.randrange(3 * 365 * 24 * 60)),
            source=self.name,
            source_row=row,
        )


def orders_of(customer: Customer) -> list[Order]:
    """Return up to three unsaved orders, the same ones for the same row of the same source."""
    chance = random.Random(f"{customer.source}:{customer.source_row}")
    return [
        Order(
            customer=customer,
            placed=customer.created + dt.timedelta(days=chance.randrange(1, 300)),
            total=Decimal(chance.randrange(500, 50_000)) / 100,
            status=chance.choice(Order.Status.values),
        )
        for _ in range(chance.randrange(4))
    ]
