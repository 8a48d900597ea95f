"""The sinks that are searched, and the table of ``docs/leaks-table.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["SINKS", "table", "write_table"]

#: Where a canary is searched for -> what exactly.
SINKS = {
    "Database": "every cell of every table, and the bytes of the whole SQLite file or of `pg_dump`",
    "SQL log": "`django.db.backends` at DEBUG, with failing statements",
    "connection.queries": "all statements with their parameters, DEBUG on",
    "EXPLAIN": "`QuerySet.explain()`, `str(query)`",
    "Log of django_altr": "`django_altr` at DEBUG: requests, retries, an outage, the circuit breaker",
    "Log of requests and urllib3": "the root logger at DEBUG",
    "Warnings": "text of every warning",
    "repr and str": "instance, token, pending value, expression, queryset, its query, Q, field, form, form field, "
    "backend, client, credentials",
    "Exceptions": "text, `args`, attributes, notes, causes, contexts, frames of ours and below: reading, writing, "
    "lookups, forms, validation; too large, refused, undecodable values",
    "Error page": "Django's page with DEBUG on: views that fail while they read and write; with the reporter filter "
    "also arguments, variables and POST data",
    "Error mail": "the report to ADMINS, as text and with the HTML page",
    "Sentry event": "sentry-sdk with local variables and breadcrumbs; with `scrub_event` also arguments, variables "
    "and POST data",
    "Pickle and copy": "instances, querysets, `values()`; all protocols; a copy is pickled",
    "Cache": "what locmem, the database and Redis store of an instance and of a queryset",
    "Session": "database, signed cookies, cache, of an instance's state",
    "Fixtures": "`dumpdata`, every serialization format",
    "Admin log": "rows of `LogEntry` after add, change and delete",
    "History": "rows of django-simple-history, `diff_against`",
    "Metadata": "what travels in `X-ALTR-METADATA` by default",
    "URLs": "request lines that the vault saw",
    "Migrations": "a written migration",
    "Process": "command line and environment, with the secret in neither",
    "Temporary files": "files that the process made below the temporary directory, and its open files",
}


def table(found: Mapping[str, Mapping[str, list[str]]]) -> str:
    rows = [f"| {sink} | {what} | {_result(found, sink, 'plaintext')} | {_result(found, sink, 'secret')} |"
            for sink, what in SINKS.items()]  # fmt: skip
    head = ["| where | what was searched | plaintext | secret |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def _result(found: Mapping[str, Mapping[str, list[str]]], sink: str, canary: str) -> str:
    if sink not in found:
        return "not searched"
    return ", ".join(sorted(set(found[sink][canary]))) or "not found"


def write_table(path: Path, found: Mapping[str, Mapping[str, list[str]]]) -> None:
    path.write_text(f"<!-- Written by `make leaks`. -->\n\n{table(found)}")
