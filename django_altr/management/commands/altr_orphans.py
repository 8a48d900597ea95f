"""``manage.py altr_orphans``: list the reference tokens that no row holds, and delete them from the vault."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from django_altr.backends import vaults
from django_altr.conf import InvalidVaultError
from django_altr.exceptions import AltrError
from django_altr.lifecycle.journal import Event, Journal
from django_altr.lifecycle.orphans import compact, delete_orphans, find_orphans, journals

#: Why a token became an orphan, by the last that the journal knows of it.
REASONS = {
    "made": "made, never stored",
    "released": "replaced or deleted",
    "failed": "replaced or deleted; its deletion failed",
}


class Command(BaseCommand):
    help = (
        "List the reference tokens of rolled-back, replaced and deleted values: those in the journals of the vaults "
        "(OPTIONS 'journal') that no row of any model, on any database, holds. With --delete, delete them from the "
        "vault after confirmation. Exits with 1 if something could not be done, and, with --check, if orphans remain."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--vault", metavar="ALIAS", help="Only this vault (default: all that keep a journal).")
        parser.add_argument("--delete", action="store_true", help="Delete the orphans from the vault.")
        parser.add_argument("--check", action="store_true", help="Exit with 1 if orphans remain.")
        parser.add_argument(
            "--min-age",
            type=float,
            default=3600.0,
            metavar="SECONDS",
            help="Leave out what happened since: its transaction may still be open (default: 3600).",
        )
        parser.add_argument(
            "--no-input", "--noinput", action="store_false", dest="interactive", help="Ask nothing before deleting."
        )

    def handle(self, *args: Any, vault: str | None = None, **options: Any) -> None:
        self.verbosity: int = options["verbosity"]
        try:
            remaining = sum(self._handle(journal, options) for journal in self._journals(vault))
        except DatabaseError as error:
            raise CommandError(f"Not every table could be searched, so nothing more was deleted: {error}") from error
        if options["check"] and remaining:
            raise CommandError(f"{remaining} orphans remain.")

    def _journals(self, alias: str | None) -> list[Journal]:
        try:
            if alias is not None:
                vaults[alias]
            found = journals([alias] if alias else list(vaults))
        except InvalidVaultError as error:
            reason = str(error)
        else:
            if found:
                return found
            which = f"The vault {alias!r} keeps" if alias else "No vault keeps"
            reason = f"{which} {'no' if alias else 'a'} journal. Give it the option 'journal', a directory."
        raise CommandError(reason)

    def _handle(self, journal: Journal, options: dict[str, Any]) -> int:
        """List the orphans, delete them if asked to; return how many remain."""
        orphans = find_orphans(journal, options["min_age"])
        self._list(journal, orphans)
        deleted = 0
        if orphans and options["delete"] and (not options["interactive"] or self._confirm(journal, orphans)):
            deleted = self._delete(journal, orphans, options["min_age"])
        compact(journal, options["min_age"])
        return len(orphans) - deleted

    def _list(self, journal: Journal, orphans: Sequence[Event]) -> None:
        if self.verbosity:
            self.stdout.write(f"{journal.vault}: {len(orphans)} orphan{'' if len(orphans) == 1 else 's'}")
            for event in orphans:
                at = datetime.fromtimestamp(event.at, UTC).isoformat(sep=" ", timespec="seconds")
                reason = REASONS.get(event.operation, event.operation)
                self.stdout.write(f"  {event.token}  {event.field}  {at}  {reason}")

    def _confirm(self, journal: Journal, orphans: Sequence[Event]) -> bool:
        question = f"Delete {len(orphans)} tokens and their values from the vault {journal.vault!r}? [y/N] "
        if input(question).strip().lower() in ("y", "yes"):
            return True
        self.stdout.write("Nothing was deleted.")
        return False

    def _delete(self, journal: Journal, orphans: Sequence[Event], min_age: float) -> int:
        try:
            deleted = delete_orphans(journal, orphans, min_age)
        except AltrError as error:
            reason = str(error)
        else:
            if self.verbosity:
                self.stdout.write(self.style.SUCCESS(f"{journal.vault}: {deleted} deleted"))
            return deleted
        raise CommandError(f"Not all orphans were deleted: {reason}")
