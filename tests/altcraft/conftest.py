"""The sandbox is both peers: the vault, and the Altcraft Platform."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_altr.contrib.altcraft import clients
from django_altr.contrib.altcraft.client import Client
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import DEFAULT_TOKEN, Altcraft
from tests.models import Subscriber

from .queues import BACKENDS, Queue

IMPORT_BATCH = "POST /api/v1.1/profiles/import_batch"
DELETE = "POST /api/v1.1/profiles/delete"
DETOKENIZE = "PUT /api/v1/batch"

Result = tuple[int, str, str]
Project = Callable[..., "subprocess.Popen[str]"]
ROOT = Path(__file__).resolve().parent.parent.parent


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


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    """The queue of the project's tasks: that of the database, or the one that the test asks for."""
    with BACKENDS[getattr(request, "param", "database")]() as queue:
        yield queue


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox, queue: Queue) -> Iterator[Project]:
    """Run ``manage.py`` with a database file of its own; the sandbox, in this process, outlives a killed one."""
    settings = tmp_path / "project_settings.py"
    settings.write_text(
        f"""
import importlib.util
from tests.settings import *

DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": {str(tmp_path / "db.sqlite3")!r},
        "OPTIONS": {{"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE", "timeout": 20}},
    }}
}}
INSTALLED_APPS += [] if importlib.util.find_spec("django.tasks") else ["django_tasks"]
{queue.settings}
# Models of other tests want vaults that are not here.
SILENCED_SYSTEM_CHECKS = ["altr.E106", "altr.E107", "altr.E108", "altr.E109"]
ALTR = {{"default": {sandbox.settings()!r}}}
ALTCRAFT = {{"default": {{"URL": {sandbox.url!r}, "TOKEN": {DEFAULT_TOKEN!r}}}}}
"""
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings.stem, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def output(process: subprocess.Popen[str]) -> str:
    """Return the standard output of a process that ends well."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out
