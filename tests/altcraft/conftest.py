"""The sandbox is both peers: the vault, and the Altcraft Platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_altr.contrib.altcraft import clients
from django_altr.contrib.altcraft.client import Client
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import DEFAULT_TOKEN, Altcraft
from tests.models import Subscriber

IMPORT_BATCH = "POST /api/v1.1/profiles/import_batch"
DELETE = "POST /api/v1.1/profiles/delete"
DETOKENIZE = "PUT /api/v1/batch"

Result = tuple[int, str, str]


@pytest.fixture
def platform(sandbox: Sandbox, settings: Any) -> Iterator[Altcraft]:
    """Point the settings at the sandbox; give its side of Altcraft."""
    settings.ALTR = {"default": sandbox.settings()}
    settings.ALTCRAFT = {
        "default": {
            "URL": sandbox.url,
            "TOKEN": DEFAULT_TOKEN,
            "OPTIONS": {"backoff_factor": 0.01, "timeout": 5.0, "retries": 3, "budget": 10.0},
        }
    }
    yield sandbox.altcraft
    clients.reset()


@pytest.fixture
def client(platform: Altcraft) -> Client:
    return clients["default"]


@pytest.fixture
def sync(platform: Altcraft, db: None) -> Callable[..., Result]:
    """Run ``altcraft_sync tests.Subscriber``; give exit code, standard output and standard error."""

    def run(*arguments: str) -> Result:
        out, err = StringIO(), StringIO()
        try:
            call_command("altcraft_sync", "tests.Subscriber", *arguments, stdout=out, stderr=err)
        except CommandError as error:
            return error.returncode, out.getvalue(), f"{err.getvalue()}{error}"
        return 0, out.getvalue(), err.getvalue()

    return run


def subscribers(count: int, **values: Any) -> list[Subscriber]:
    """Return saved subscribers; an uncommon letter in each shows that UTF-8 gets through."""
    start = Subscriber.objects.count()
    return Subscriber.objects.bulk_create(
        Subscriber(**{"email": f"s{start + i}@example.com", "name": f"Zoë{start + i} Smith", "city": "Łódź", **values})
        for i in range(count)
    )
