"""``manage.py altr_sandbox``: run the development vault."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_altr.sandbox.cli import UsageError, add_arguments, run


class Command(BaseCommand):
    help = "Run an ALTR-compatible vault for development and tests, until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(options, self._print)
        except UsageError as error:
            raise CommandError(str(error)) from None

    def _print(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
