"""The package, used as its documentation says."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from ..server import text, token
from . import Work
from .database import FIELDS, QueryCounter, configure, create_table, fill
from .floors import touch


def tokenized_model(names: Iterable[str] = FIELDS, **options: Any) -> Any:
    from django.db import models

    from django_altr.fields import TokenizedField

    class Meta:
        app_label = "benchmarks"

    columns = {name: TokenizedField(models.CharField(max_length=255), **options) for name in names}
    return type("Person", (models.Model,), {"__module__": __name__, "Meta": Meta, **columns})


class Tokenized(Work):
    """A table of tokenized fields."""

    field_options: dict[str, Any] = {}

    def __init__(self, options: SimpleNamespace) -> None:
        super().__init__(options)
        from django.db import connection

        self._counter = QueryCounter()
        connection.execute_wrappers.append(self._counter)
        self._counted = 0

    def setup(self) -> None:
        configure(self.options)
        self.names = FIELDS[: getattr(self.options, "fields", 3)]
        self.model = tokenized_model(self.names, **self.field_options)
        create_table(self.model)
        fill(self.model, self.options.rows, token, self.names)

    def queries(self) -> int:
        """Return the statements since the last time."""
        count, self._counter.count = self._counter.count, 0
        return count


class Read(Tokenized):
    """Read all rows and touch their values."""

    def __call__(self) -> int:
        return touch(self.model.objects.all(), self.names)


class Iterate(Tokenized):
    """Iterate over all rows and touch nothing."""

    def __call__(self) -> int:
        return sum(1 for _ in self.model.objects.all())


class Ids(Tokenized):
    """``values_list`` of another column."""

    def __call__(self) -> int:
        return sum(self.model.objects.values_list("id", flat=True))


class Page(Tokenized):
    """A page of 25 rows, all fields in one go."""

    def __call__(self) -> int:
        from django_altr.fields import PrefetchTokenized

        return touch(self.model.objects.prefetch_related(PrefetchTokenized(*self.names))[:25], self.names)


class Save(Tokenized):
    """``save()`` of a row with all of its fields changed."""

    def setup(self) -> None:
        super().setup()
        self.row, self.round = self.model.objects.first(), 0

    def before(self) -> None:
        self.round += 1
        for name in self.names:
            setattr(self.row, name, f"{name} of round {self.round}")

    def __call__(self) -> int:
        self.row.save()
        return len(self.row.name_token)


class BulkCreate(Tokenized):
    """``bulk_create`` of rows with one field, with metadata: one PutData a value."""

    def before(self) -> None:
        self.model.objects.all().delete()
        self.queries()

    def __call__(self) -> int:
        return len(self.model.objects.bulk_create(self.model(name=text(n)) for n in range(self.options.count)))


class BulkCreateByBatch(BulkCreate):
    field_options = {"metadata": None}


class Cost(Tokenized):
    """Touch the values of the first ``argument`` rows; beyond what fits into memory, chunk by chunk."""

    chunk = 64 * 1024

    def __call__(self) -> int:
        return touch(self.rows(), self.names)

    def rows(self) -> Any:
        rows = self.model.objects.order_by("pk")[: self.argument]
        if self.argument <= self.chunk:
            return rows
        return rows.prefetch_related("name").iterator(chunk_size=self.chunk)


class Memory(Tokenized):
    """Read the rows by ``prefetch_related("name").iterator(chunk_size=2000)``; the memory in use along the way."""

    def __call__(self) -> list[tuple[int, float]]:
        rows = self.model.objects.prefetch_related("name").iterator(chunk_size=2000)
        step, used = self.options.rows // 20, []
        for number, row in enumerate(rows, start=1):
            assert row.name == text(number - 1)
            if number % step == 0:
                used.append((number, resident_megabytes()))
        return used


class Freed(Tokenized):
    """How many plaintexts there are with all rows, with half of them, and with none."""

    def __call__(self) -> list[int]:
        rows = list(self.model.objects.all())
        touch(rows, self.names)
        counts = [plaintexts()]
        del rows[::2]
        counts.append(plaintexts())
        rows.clear()
        return [*counts, plaintexts()]


def plaintexts() -> int:
    """Return how many cells with a known plaintext this process holds, wherever they are."""
    from django_altr.fields.cells import Token

    gc.collect()
    return sum(1 for each in gc.get_objects() if isinstance(each, Token) and each.is_loaded)


def resident_megabytes() -> float:
    """Return the resident memory of this process (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
