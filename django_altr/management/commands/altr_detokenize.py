from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from django_altr import vaults
from django_altr.fields import TokenizedField

from ..columns import ColumnCommand, Row


class Command(ColumnCommand):
    """Write the plaintext back into the columns, before a ``TokenizedField`` becomes a plain field again.

    The tokens stay in the vault. A column that is too short for a value keeps its token, and the value is reported.
    """

    help = "Writes plaintext back into columns, before a TokenizedField becomes a plain field again."
    done = "written in clear"
    failure = "the vault does not know this token; left as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--no-input", "--noinput", action="store_false", dest="interactive", help="Do not ask for confirmation."
        )

    def prepare(self, fields: list[TokenizedField], options: dict[str, Any]) -> None:
        if options["dry_run"] or not options["interactive"]:
            return
        names = ", ".join(str(field) for field in fields)
        answer = input(f"This stores personal data in clear in the database: {names}.\nType 'yes' to go on: ")
        if answer != "yes":
            raise CommandError("Nothing was changed.")

    def convert(self, field: TokenizedField, rows: list[Row]) -> Iterator[tuple[Row, str | None]]:
        vault = vaults[field.vault]
        rows = [row for row in rows if vault.is_token(row[1])]
        texts = vault.find_many(text for _, text in rows)
        for row in rows:
            yield row, texts.get(row[1])
