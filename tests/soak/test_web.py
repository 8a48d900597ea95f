"""A forking web server and async views under load: connections are used again, nobody reads another's value."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import AsyncClient

from django_altr import vaults
from django_altr.sandbox import Sandbox
from tests.models import Person

from .database import ROOT, new_database

pytestmark = pytest.mark.slow
WORKERS, THREADS, CLIENTS, REQUESTS = 3, 4, 12, 240


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[str]:
    """gunicorn with workers that are forked after the vault was used."""
    with new_database() as database:
        environment = {
            **os.environ, "DATABASE_URL": database, "TOUCH_BEFORE_FORK": "1", "PYTHONPATH": str(ROOT),
            "ALTR_URL": f"{sandbox.altr_url}?timeout=5", "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
        }  # fmt: skip
        command = [
            sys.executable, "-m", "gunicorn", "--preload", f"--workers={WORKERS}", f"--threads={THREADS}",
            "--bind=127.0.0.1:0", "--no-control-socket", "tests.soak.web:application",
        ]  # fmt: skip
        log = tmp_path / "gunicorn.txt"
        with log.open("wb") as output:
            server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output)
        try:
            yield url_of(server, log)
        finally:
            server.terminate()
            server.wait(timeout=20)


def url_of(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        if match := re.search(r"Listening at: (http://[\d.]+:\d+)", log.read_text()):
            return match[1]
        time.sleep(0.05)
    raise AssertionError(f"gunicorn did not start:\n{log.read_text()}")


def test_forked_workers_share_no_connection(site: str, sandbox: Sandbox) -> None:
    def visit(number: int) -> int:
        written = requests.get(f"{site}/write/value-{number}/", timeout=30).json()
        read = requests.get(f"{site}/read/{written['pk']}/", timeout=30).json()
        assert read["name"] == f"value-{number}"
        workers.update({written["worker"], read["worker"]})
        return 1

    workers: set[int] = set()
    before = sandbox.count()
    with ThreadPoolExecutor(CLIENTS) as clients:
        assert sum(clients.map(visit, range(REQUESTS))) == REQUESTS
    assert sandbox.count() - before == 2 * REQUESTS
    assert len(workers) > 1
    # Those before the fork, and at most one a thread.
    assert sandbox.connections <= 3 + WORKERS * THREADS


@pytest.mark.django_db(transaction=True)
def test_async_views_under_load(sandbox: Sandbox, settings: Any) -> None:
    settings.ALTR = {"default": sandbox.settings(timeout=5)}
    settings.ROOT_URLCONF = "tests.soak.web"
    people = Person.objects.bulk_create([Person(name=f"value {number}") for number in range(60)])
    before, opened = sandbox.count(), sandbox.connections

    async def visit(first: int) -> None:
        answer = await AsyncClient().get(f"/all/{first}/")
        assert answer.status_code == 200
        expected = [person for person in people if person.pk >= first][:20]
        assert answer.json() == {str(person.pk): person.name for person in expected}

    async def main() -> None:
        await asyncio.gather(*(visit(person.pk) for person in people))

    asyncio.run(main())
    assert sandbox.count() - before == sum(-(-min(20, 60 - number) // 10) for number in range(60))
    assert sandbox.connections - opened <= 2
    vaults.reset()
