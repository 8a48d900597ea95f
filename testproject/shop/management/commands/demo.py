from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from django_altr.exceptions import AltrError
from testproject.shop.csv_source import CsvError, CsvSource
from testproject.shop.generated import GeneratedSource, orders_of
from testproject.shop.models import Customer, Order

#: Rows of one transaction and one step of the progress bar.
CHUNK = 256


class Command(BaseCommand):
    help = (
        "Load generated customers, or those of a CSV file, through the vault; then show a raw database row beside "
        "what the app reads. Running it again loads only what is missing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--customers", type=int, default=2000, metavar="N", help="how many to generate (2000)")
        parser.add_argument("--seed", type=int, default=1, help="another seed makes other people (1)")
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="load this file instead; its header names the columns"
        )
        parser.add_argument("--encoding", default="utf-8-sig", help="of the CSV file (UTF-8)")

    def handle(self, *, customers: int, seed: int, csv: Path | None, encoding: str, **options: Any) -> None:
        problem = None
        try:
            source = CsvSource(csv, encoding) if csv else GeneratedSource(customers, seed)
            self._load(source)
            self._show()
        except (CsvError, AltrError) as error:
            problem = str(error)
        except KeyboardInterrupt:
            problem = "Interrupted. What is loaded stays; run it again to go on."
        if problem:
            raise CommandError(problem)

    # -- loading

    def _load(self, source: CsvSource | GeneratedSource) -> None:
        mine = Customer.objects.filter(source=source.name)
        there = set(mine.values_list("source_row", flat=True))
        added = 0
        with _progress() as progress:
            task = progress.add_task(source.title, total=source.count, completed=len(there))
            for chunk in _chunks(source.rows(skip=there), CHUNK):
                _save(chunk)
                added += len(chunk)
                progress.update(task, advance=len(chunk))
        self.stdout.write(f"{source.title}: {added:,} loaded, {len(there):,} were there already.")
        if isinstance(source, CsvSource):
            self._report(source)

    def _report(self, source: CsvSource) -> None:
        if source.extra_columns:
            self.stdout.write(
                f"Kept in preferences, as no field has their name: {', '.join(source.extra_columns.values())}"
            )
        if not source.rejected:
            return
        self.stderr.write(f"{len(source.rejected):,} rows were skipped:")
        for rejected in source.rejected:
            self.stderr.write(f"  line {rejected.line}: {rejected.reason}")

    # -- showing

    def _show(self) -> None:
        total = Customer.objects.count()
        if not total:
            self.stdout.write("There are no customers.")
            return
        self._show_row(Customer.objects.latest("pk"))
        with _RequestCounter() as requests:
            for customer in Customer.objects.only("email"):
                _ = customer.email
        self.stdout.write(
            f"Reading the e-mail addresses of all {total:,} customers in a loop took {_vault_requests(requests.count)}."
        )

    def _show_row(self, customer: Customer) -> None:
        raw = _raw_row(customer.pk)
        table = Table(title=f"Row {customer.pk} of {Customer._meta.db_table}", title_justify="left")
        table.add_column("column", min_width=max(len(column) for column in raw))
        table.add_column("in the database", width=48, overflow="ellipsis", no_wrap=True)
        table.add_column("what the app reads", overflow="ellipsis", no_wrap=True)
        for field in Customer._meta.concrete_fields:
            cells = [field.column, raw[field.column], getattr(customer, field.name)]
            table.add_row(*[_printable(cell) for cell in cells])
        console = Console(width=120, force_terminal=False)
        with console.capture() as capture:
            console.print(table)
        self.stdout.write(capture.get())


class _RequestCounter(logging.Handler):
    """Count the HTTP requests to the vault: django-altr logs each at DEBUG, without its content."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0
        self._logger = logging.getLogger("django_altr.http")

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1

    def __enter__(self) -> _RequestCounter:
        self._before = self._logger.level, self._logger.propagate
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._logger.removeHandler(self)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)


def _save(customers: list[Customer]) -> None:
    with transaction.atomic():
        Customer.objects.bulk_create(customers)
        Order.objects.bulk_create(order for customer in customers for order in orders_of(customer))


def _chunks(rows: Iterable[Customer], size: int) -> Iterator[list[Customer]]:
    rows = iter(rows)
    while chunk := list(islice(rows, size)):
        yield chunk


def _raw_row(pk: int) -> dict[str, Any]:
    """Return the row as the database holds it, past Django's fields."""
    table, quote = Customer._meta.db_table, connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {quote(table)} WHERE id = %s", [pk])  # noqa: S608
        return dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))


def _vault_requests(count: int) -> str:
    return f"{count:,} vault request{'' if count == 1 else 's'}"


def _printable(cell: object) -> Text:
    text = "" if cell is None else str(cell)
    return Text("".join(letter if letter.isprintable() else " " for letter in text))


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, console=console, disable=not console.is_terminal)
