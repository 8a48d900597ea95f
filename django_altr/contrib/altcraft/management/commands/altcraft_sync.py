"""``manage.py altcraft_sync``: deliver the rows of a model."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, FieldError, ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import DateTimeField, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from django_altr.contrib.altcraft.exceptions import AltcraftError
from django_altr.contrib.altcraft.mapping import NotRegistered, ProfileMapping, registry
from django_altr.contrib.altcraft.sync import MAX_BATCH_SIZE, Report, Synchronizer
from django_altr.exceptions import AltrError
from django_altr.redact import Redacted

#: Exit codes besides 0 (all delivered) and 1 (it could not run to its end: run it again).
REFUSED, STOPPED = 3, 130
LITERALS = {"true": True, "false": False, "null": None, "none": None}


class Command(BaseCommand):
    help = (
        "Deliver the rows of a model to the Altcraft Platform: what changed since the last time is sent, what is gone "
        "is deleted. Exit code 0: all is delivered; 3: some rows were refused; 1: it could not go on (run it again)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("model", metavar="app.Model", help="A model with a mapping.")
        add("--filter", action="append", default=[], metavar="LOOKUP=VALUE", help="Only these rows. May be repeated.")
        add("--since", metavar="[FIELD=]TIME", help="Only rows changed since then (ISO 8601).")
        add("--dry-run", action="store_true", help="Send and write nothing, only count. Values are detokenized.")
        add("--batch-size", type=int, default=1000, metavar="N", help=f"Profiles a request, up to {MAX_BATCH_SIZE}.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["batch_size"] <= MAX_BATCH_SIZE:
            raise CommandError(f"--batch-size is a number from 1 to {MAX_BATCH_SIZE}.")
        mapping = find_mapping(options["model"])
        rows = select(mapping, options["filter"], options["since"])
        with progress(rows, shown=options["verbosity"] > 0 and sys.stderr.isatty()) as advance:
            synchronizer = Synchronizer(
                mapping,
                batch_size=options["batch_size"],
                dry_run=options["dry_run"],
                on_problem=lambda row, reason: self.stderr.write(f"{mapping.label} {row}: {reason}"),
                on_progress=advance,
            )
            failure = run(synchronizer, rows)
        self._summarize(synchronizer.report, options["dry_run"])
        if failure is not None:
            raise failure
        if synchronizer.report.refused:
            count = synchronizer.report.refused
            raise CommandError(f"{count} rows were not delivered; the reasons are above.", returncode=REFUSED)

    def _summarize(self, report: Report, dry_run: bool) -> None:
        lines = {
            "rows examined": report.examined,
            "would be sent" if dry_run else "sent": report.delivered,
            "unchanged": report.unchanged,
            "without consent": report.without_consent,
            "would be deleted" if dry_run else "deleted": report.deleted,
            "refused": report.refused,
            "left to another run": report.busy,
        }
        self.stdout.write(", ".join(f"{count} {what}" for what, count in lines.items()))


def run(synchronizer: Synchronizer, rows: Redacted[QuerySet[Any]]) -> CommandError | None:
    try:
        synchronizer.run(rows)
    except (AltcraftError, AltrError, ImproperlyConfigured) as error:
        return CommandError(f"{type(error).__name__}: {error}\nRun the command again: it goes on where it stopped.")
    except KeyboardInterrupt:
        return CommandError("Stopped. Run the command again: it goes on where it stopped.", returncode=STOPPED)
    return None


def find_mapping(label: str) -> ProfileMapping:
    try:
        return registry[apps.get_model(label)]
    except (LookupError, ValueError, NotRegistered) as error:
        reason = str(error.args[0]) if error.args else str(error)
    known = ", ".join(mapping.label for mapping in registry) or "none"
    raise CommandError(f"{reason} Models with a mapping: {known}.")


def select(mapping: ProfileMapping, filters: list[str], since: str | None) -> Redacted[QuerySet[Any]]:
    """Return the rows that the options mean; wrapped, for the repr of a queryset reads and shows its rows."""
    rows = Redacted(mapping.get_queryset())
    try:
        for text in filters:
            rows = Redacted(rows.reveal().filter(**parse_filter(text)))
        return Redacted(rows.reveal().filter(**parse_since(mapping, since))) if since else rows
    except (FieldError, FieldDoesNotExist, ValidationError, ValueError, TypeError) as error:
        # Messages of lookups name fields; those of ValidationError repeat the option's value.
        reason = str(error)
    raise CommandError(f"--filter or --since cannot be used: {reason}")


def parse_filter(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("write --filter LOOKUP=VALUE.")
    if name.endswith("__in"):
        return {name: value.split(",")}
    return {name: LITERALS.get(value.lower(), value)}


def parse_since(mapping: ProfileMapping, text: str) -> dict[str, Any]:
    name, _, value = text.rpartition("=")
    name = name or mapping.modified or ""
    if not name:
        raise ValueError("name the field (--since FIELD=TIME), or set `modified` of the mapping.")
    day, moment = parse_date(value), parse_datetime(value)
    if day is None and moment is None:
        raise ValueError("the time is written as 2026-01-31 or 2026-01-31T12:00:00.")
    if not isinstance(mapping.model._meta.get_field(name), DateTimeField):
        return {f"{name}__gte": day or (moment and moment.date())}
    moment = moment or datetime.combine(day or datetime.min.date(), time())
    return {f"{name}__gte": timezone.make_aware(moment) if timezone.is_naive(moment) else moment}


@contextmanager
def progress(rows: Redacted[QuerySet[Any]], *, shown: bool) -> Iterator[Any]:
    """Show a bar on a terminal; give a function that takes the number of rows done."""
    if not shown:
        yield lambda count: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError:
        raise CommandError("The progress bar needs rich: pip install 'django-altr[altcraft]'.") from None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Delivering", total=rows.reveal().count())
        yield lambda count: bar.advance(task, count)
