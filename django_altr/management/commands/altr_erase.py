"""``manage.py altr_erase``: delete the values of rows from their vaults, and leave a proof."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model, QuerySet

from django_altr.exceptions import AltrError
from django_altr.fields import TokenizedField
from django_altr.fields.writes import tokenized_fields
from django_altr.lifecycle.erasure import Erasure, HeldElsewhere, erase


class Command(BaseCommand):
    help = (
        "Erase values: delete them from the vault, verify it, and mark the rows, so that reading raises TokenErased "
        "(or gives the field's 'erased' placeholder). Rows are looked up without managers: none is hidden. Prints a "
        "proof as JSON, or writes it to a file. Exits with 1 and the reason if something was not erased."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", metavar="app.Model")
        parser.add_argument(
            "--filter",
            action="append",
            required=True,
            metavar="FIELD=VALUE",
            help="Which rows, as for QuerySet.filter(): pk=7, pk__in=7,8, ssn__isnull=False. All conditions must hold.",
        )
        parser.add_argument("--fields", nargs="+", metavar="FIELD", help="Only these tokenized fields (default: all).")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="The database of the rows.")
        parser.add_argument("--everywhere", action="store_true", help="Also erase other values with the same tokens.")
        parser.add_argument("--proof", type=Path, metavar="FILE", help="A new file for the proof (default: print it).")
        parser.add_argument("--dry-run", action="store_true", help="Tell what would be erased; change nothing.")
        parser.add_argument(
            "--no-input", "--noinput", action="store_false", dest="interactive", help="Ask nothing before erasing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        erasure = self._erasure(options)
        self._collect(erasure)
        self._tell(erasure, options)
        if erasure.others and not options["everywhere"]:
            raise CommandError(str(HeldElsewhere(erasure.others)))
        if options["dry_run"]:
            return
        if (proof := options["proof"]) is not None and proof.exists():
            raise CommandError(f"{proof} exists. Nothing was erased: give the proof a new file.")
        if not options["interactive"] or self._confirm(erasure):
            self._erase(erasure, options)

    def _erasure(self, options: dict[str, Any]) -> Erasure:
        try:
            model = apps.get_model(options["model"])
        except (LookupError, ValueError) as error:
            reason = str(error)
        else:
            return Erasure(_rows(model, options["filter"], options["database"]), _fields(model, options["fields"]))
        raise CommandError(reason)

    def _collect(self, erasure: Erasure) -> None:
        try:
            erasure.collect()
        except AltrError as error:
            reason = str(error)
        else:
            return
        raise CommandError(reason)

    def _tell(self, erasure: Erasure, options: dict[str, Any]) -> None:
        if options["verbosity"]:
            count = len(erasure.holders)
            self.stderr.write(
                f"{erasure.row_count} rows of {erasure.rows.model._meta.label}: {count} values to erase in "
                f"{', '.join(field.name for field in erasure.fields)}; {erasure.already_erased} erased before."
            )
        for holder in erasure.others:
            self.stderr.write(f"  the same token: {holder.field}, primary key {holder.pk}, database {holder.using!r}")

    def _confirm(self, erasure: Erasure) -> bool:
        count = len(erasure.holders) + len(erasure.others)
        if input(f"Erase {count} values for good? [y/N] ").strip().lower() in ("y", "yes"):
            return True
        self.stderr.write("Nothing was erased.")
        return False

    def _erase(self, erasure: Erasure, options: dict[str, Any]) -> None:
        try:
            proof = erase(erasure, everywhere=options["everywhere"])
        except AltrError as error:
            reason = str(error)
        else:
            self._hand_over(json.dumps(proof, indent=2), options["proof"])
            return
        raise CommandError(reason)

    def _hand_over(self, proof: str, path: Path | None) -> None:
        if path is None:
            self.stdout.write(proof)
            return
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(f"{proof}\n")
        except OSError as error:
            self.stdout.write(proof)  # it must not be lost: the values are erased
            raise CommandError(f"The values are erased, but the proof could not be written: {error}") from None


def _rows(model: type[Model], conditions: Sequence[str], using: str) -> QuerySet[Any]:
    if not all("=" in condition for condition in conditions):
        raise CommandError("A --filter is written FIELD=VALUE.")
    lookups = dict(_lookup(*condition.split("=", 1)) for condition in conditions)
    try:
        return QuerySet(model, using=using).filter(**lookups).order_by()
    except (FieldError, ValueError, ValidationError):
        pass  # the error may repeat a value
    raise CommandError(f"These filters do not fit {model._meta.label}: {', '.join(lookups)}.")


def _lookup(name: str, text: str) -> tuple[str, Any]:
    if name.endswith("__in"):
        return name, text.split(",")
    return name, text == "True" if name.endswith("__isnull") else text


def _fields(model: type[Model], names: Sequence[str] | None) -> Sequence[TokenizedField]:
    fields = tokenized_fields(model, names)
    if unknown := set(names or ()) - {field.name for field in fields} - {field.attname for field in fields}:
        raise CommandError(f"{model._meta.label} has no tokenized field {', '.join(sorted(unknown))}.")
    if not fields:
        raise CommandError(f"{model._meta.label} has no tokenized fields.")
    return fields
