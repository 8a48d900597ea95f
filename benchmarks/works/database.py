"""Django in a worker: settings, tables in memory, rows."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings

from ..server import KEY, SECRET, text, token

FIELDS = ("name", "email", "ssn")


def configure(options: SimpleNamespace, **extra: Any) -> None:
    """Set Django up; with a server in the options, its vault too."""
    apps = []
    if getattr(options, "url", None):
        apps = ["django_altr"]
        extra["ALTR"] = {"default": vault(options)}
    settings.configure(
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": getattr(options, "database", ":memory:")}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=apps,
        SECRET_KEY="benchmark",
        USE_TZ=True,
        **extra,
    )
    django.setup()


def vault(options: SimpleNamespace) -> dict[str, Any]:
    return {
        "BACKEND": "django_altr.backends.chain.ChainBackend",
        "LOCATION": options.url,
        "KEY": KEY,
        "SECRET": SECRET,
        "OPTIONS": {"max_workers": getattr(options, "workers", 16), "timeout": 60},
    }


def create_table(model: Any) -> None:
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(model)


def fill(model: Any, rows: int, value: Callable[[int], str] = token, fields: tuple[str, ...] = FIELDS) -> None:
    """Give the table rows with ``value(0)``, ``value(1)``, ... in the columns, straight into the database."""
    from django.db import connection, transaction

    columns = ", ".join(f'"{name}"' for name in fields)
    marks = ", ".join(["%s"] * len(fields))
    numbers = range(0, rows * len(fields), len(fields))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({marks})',
            ([value(number + place) for place in range(len(fields))] for number in numbers),
        )


def plaintext(number: int) -> str:
    return text(number)


class QueryCounter:
    """An execute wrapper that counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        return execute(sql, params, many, context)
