"""What ``altr_tokenize`` and ``altr_detokenize`` share: walking over the tokenized columns of a table, row by row."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, models, transaction

from django_altr.fields import TokenizedField
from django_altr.fields.cells import ValueToken
from django_altr.markers import ERASED

__all__ = ["ColumnCommand"]

#: A row: its primary key and what the column holds.
Row = tuple[Any, str]


class ColumnCommand(BaseCommand):
    """Convert what columns hold. Can be stopped and started again at any time: it goes on with what is left."""

    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", metavar="app_label.ModelName")
        parser.add_argument("--fields", nargs="+", metavar="NAME", help="Only these fields (default: all).")
        parser.add_argument("--batch-size", type=int, default=1024, help="Rows for each round trip (default: 1024).")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="The database to work on.")
        parser.add_argument("--dry-run", action="store_true", help="Only count what would be converted.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1.")
        fields = self._fields(options["model"], options["fields"])
        self.prepare(fields, options)
        failed = sum(self._convert_column(field, options) for field in fields)
        if failed:
            raise CommandError(f"{failed} values were left as they are; see above. The command can be run again.")

    def prepare(self, fields: list[TokenizedField], options: dict[str, Any]) -> None:
        """Ask what has to be asked before anything is changed."""

    def convert(self, field: TokenizedField, rows: list[Row]) -> Iterator[tuple[Row, str | None]]:
        """Give what shall take each value's place; ``None`` for a value that cannot be converted."""
        raise NotImplementedError

    #: Why a value could not be converted.
    failure = ""
    #: What the command did with a value.
    done = ""

    def _fields(self, label: str, names: list[str] | None) -> list[TokenizedField]:
        try:
            model = apps.get_model(label)
        except (LookupError, ValueError) as error:
            raise CommandError(f"There is no model {label!r}: {error}") from None
        fields = {field.name: field for field in model._meta.concrete_fields if isinstance(field, TokenizedField)}
        if unknown := set(names or ()) - set(fields):
            raise CommandError(f"{label} has no tokenized field {', '.join(sorted(unknown))}.")
        if not fields:
            raise CommandError(f"{label} has no tokenized fields.")
        return [field for name, field in fields.items() if names is None or name in names]

    def _convert_column(self, field: TokenizedField, options: dict[str, Any]) -> int:
        converted = failed = 0
        for rows in self._chunks(field, options):
            for row, text in self.convert(field, rows):
                if text is None:
                    failed += 1
                    self.stderr.write(f"{field} of {row[0]!r}: {self.failure}")
                elif options["dry_run"] or self._replace(field, row, text, options["database"]):
                    converted += 1
                else:
                    failed += 1
            if options["verbosity"] > 1:
                self.stdout.write(f"{field}: {converted} so far")
        if options["verbosity"] > 0:
            self.stdout.write(f"{field}: {converted} values {'would be ' if options['dry_run'] else ''}{self.done}.")
        return failed

    def _chunks(self, field: TokenizedField, options: dict[str, Any]) -> Iterator[list[Row]]:
        rows = (
            self._manager(field, options["database"])
            .filter(**{f"{field.name}__isnull": False})
            .exclude(**{f"{field.name}__token": ""})
            .exclude(**{f"{field.name}__token__startswith": ERASED})
            .values_list("pk", f"{field.name}__token")
            .order_by("pk")
        )
        iterator = rows.iterator(chunk_size=options["batch_size"])
        while chunk := list(islice(iterator, options["batch_size"])):
            yield chunk

    def _manager(self, field: TokenizedField, database: str) -> models.QuerySet[Any]:
        return field.model._base_manager.using(database)

    def _replace(self, field: TokenizedField, row: Row, text: str, database: str) -> bool:
        """Replace the value, unless somebody else changed it meanwhile."""
        pk, old = row
        try:
            with transaction.atomic(using=database):
                unchanged = self._manager(field, database).filter(pk=pk, **{f"{field.name}__token": old})
                replaced = unchanged.update(**{field.name: ValueToken(text, field)})
        except DatabaseError as error:
            self.stderr.write(f"{field} of {pk!r}: the database refused the new value ({type(error).__name__}).")
            return False
        if not replaced:
            self.stderr.write(f"{field} of {pk!r}: it was changed meanwhile.")
        return bool(replaced)
