"""The servers' processes as the benchmark sees them: start, latency, counts, CPU."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Self

from .server import KEY, SECRET

__all__ = ["Counts", "Server", "client_cores", "pin"]

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def client_cores() -> list[int]:
    """The cores that the server does not run on."""
    return CORES[1:] or CORES


def pin(pid: int, cores: list[int]) -> None:
    """Bind a process to cores, where the system can."""
    if len(CORES) > 1:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(pid, cores)


@dataclass
class Counts:
    """What a server saw."""

    connections: int
    requests: Counter[str]

    def since(self, before: Counts) -> Counts:
        return Counts(self.connections - before.connections, self.requests - before.requests)


class Server:
    """A vault in a process of its own; a context manager."""

    COMMAND = ("-m", "benchmarks.server")
    PORT = re.compile(r"(\d+)$")

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [sys.executable, *self.COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        pin(self.process.pid, CORES[:1])
        self.port = self._read_port()
        self._control = HTTPConnection("127.0.0.1", self.port)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._control.close()
        self.process.terminate()
        self.process.communicate()

    def _read_port(self) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := self.PORT.search(line.strip()):
                return int(found[1])
        raise RuntimeError(f"{' '.join(self.COMMAND)} did not start.")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def control(self, method: str, call: str, **options: Any) -> Any:
        self._control.request(method, f"/_sandbox/{call}", json.dumps(options), {"Content-Type": "application/json"})
        return json.loads(self._control.getresponse().read())

    def counts(self) -> Counts:
        answer = self.control("GET", "requests")
        return Counts(answer["connections"], Counter(answer["counts"]))

    @contextlib.contextmanager
    def latency(self, milliseconds: float) -> Iterator[None]:
        self.control("POST", "misbehave", latency=milliseconds / 1000)
        try:
            yield
        finally:
            self.control("POST", "misbehave", latency=0)

    @property
    def cpu(self) -> float:
        """Seconds of CPU that the process took so far (Linux)."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class SandboxServer(Server):
    """The package's own sandbox."""

    COMMAND = ("-m", "django_altr.sandbox", "--port", "0", "--control", "--key", KEY, "--secret", SECRET)
    PORT = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)")
