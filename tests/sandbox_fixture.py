"""The ``sandbox`` fixture: a real vault server in a thread; and ``spawn_sandbox``: one in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from django_altr.sandbox import Key, Sandbox
from django_altr.sandbox.service import vault_settings

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Iterator[Sandbox]:
    """Give a sandbox that holds no values, counts from zero and behaves."""
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.reset()


class SpawnedSandbox:
    """``manage.py altr_sandbox`` in a process of its own."""

    def __init__(self, tmp_path: Path, *args: str) -> None:
        self._output = tmp_path / "sandbox-output.txt"
        self._args = args
        self._data = tmp_path / "sandbox.sqlite3"
        self.key, self.secret = Key().key, Key().secret
        self.start(port=0)

    def start(self, port: int | None = None) -> None:
        """Start the process, by default on the port it had before, and wait until it listens."""
        port = self.port if port is None else port
        command = [sys.executable, "manage.py", "altr_sandbox", f"--port={port}", f"--data={self._data}", *self._args]
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self.url = self._wait_for_url()
        self.port = int(self.url.rpartition(":")[2])

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if "ALTR_URL=" in self.output and (match := re.search(r"Listening on (\S+)", self.output)):
                return match[1]
            time.sleep(0.02)
        raise AssertionError(f"The sandbox did not start:\n{self.output}")

    @property
    def output(self) -> str:
        return self._output.read_text()

    def settings(self, backend: str = "chain", **options: Any) -> dict[str, Any]:
        """Return an entry for ``settings.ALTR``."""
        return vault_settings(self.url, Key(), backend, options)

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()


def spawn_sandbox(tmp_path: Path, *args: str) -> SpawnedSandbox:
    """Start ``manage.py altr_sandbox`` on a free port with a data file in ``tmp_path``; use it in a ``with``."""
    return SpawnedSandbox(tmp_path, *args)
