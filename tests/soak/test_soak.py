"""Processes, threads, faults and kill -9 on PostgreSQL: no value is lost, and none is read as another."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from django_altr.sandbox import Sandbox

from .database import ROOT, new_database, open_connections

FAULTS: list[dict[str, Any]] = [
    {"status": 503},
    {"status": 500},
    {"status": 502, "body": "<html>"},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"drop": "before"},
    {"drop": "lost"},
    {"drop": "middle"},
    {"drop": "after"},
    {"corrupt": "half"},
    {"corrupt": "missing"},
    {"corrupt": "null"},
    {"corrupt": "hash"},
    {"latency": 0.3},
]
#: Of how many requests one meets a fault: 5 %.
ONE_OF = 20


@pytest.fixture
def database() -> Iterator[str]:
    with new_database() as url:
        yield url


def start(module: str, *args: object, database: str, sandbox: Sandbox) -> subprocess.Popen[bytes]:
    url = f"{sandbox.altr_url}?timeout=2&retries=1&backoff_factor=0.01&breaker_reset=0.2"
    environment = {**os.environ, "DATABASE_URL": database, "ALTR_URL": url, "PYTHONHASHSEED": "0"}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.soak.settings"
    command = [sys.executable, "-m", module, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)


def report_of(process: subprocess.Popen[bytes], timeout: float) -> dict[str, Any]:
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output or b"{}")
    return report


class Trouble(threading.Thread):
    """Injects a fault whenever the vault has served so many requests."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(daemon=True)
        self.sandbox, self.injected, self._done = sandbox, 0, threading.Event()

    def run(self) -> None:
        choose = random.Random(4711)
        while not self._done.wait(0.01):
            while self.injected < self.sandbox.count() // ONE_OF:
                self.sandbox.misbehave(times=1, **choose.choice(FAULTS))
                self.injected += 1

    def stop(self) -> None:
        self._done.set()
        self.join()


def soak(sandbox: Sandbox, database: str, seconds: float, processes: int, threads: int) -> dict[str, Any]:
    trouble = Trouble(sandbox)
    trouble.start()
    workers = [
        start("tests.soak.worker", seconds, threads, seed, database=database, sandbox=sandbox)
        for seed in range(processes)
    ]
    reports = [report_of(worker, seconds + 120) for worker in workers]
    trouble.stop()
    requests, connections = sandbox.count(), sandbox.connections
    sandbox.reset(values=False)
    rows = report_of(start("tests.soak.verify", database=database, sandbox=sandbox), 120)
    return {
        **{name: sum(each[name] for each in reports) for name in ("operations", "errors", "wrong", "leaked")},
        "untyped": [text for each in reports for text in each["untyped"]],
        "requests": requests,
        "faults": trouble.injected,
        "connections": connections,
        "growth in MB": [round(each["megabytes"][-1] - each["megabytes"][0], 1) for each in reports],
        "rows": rows["rows"],
        "wrong rows": rows["wrong"],
        "database connections left": open_connections(database),
    }


def check(report: dict[str, Any]) -> None:
    sys.stderr.write(f"\n{json.dumps(report, indent=2)}\n")
    zero = ("wrong", "wrong rows", "leaked", "database connections left")
    assert {name: report[name] for name in zero} == dict.fromkeys(zero, 0)
    assert report["untyped"] == []
    assert report["operations"] > report["errors"] > 0
    assert report["rows"] > 0
    # A fault costs a connection at most; the others are used again and again.
    assert report["connections"] < report["requests"] / 4


@pytest.mark.slow
def test_short_soak(sandbox: Sandbox, database: str) -> None:
    check(soak(sandbox, database, seconds=4, processes=2, threads=8))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_long_soak(sandbox: Sandbox, database: str) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "120"))
    report = soak(sandbox, database, seconds=seconds, processes=4, threads=16)
    check(report)
    assert max(report["growth in MB"]) < 50


def check_killed(sandbox: Sandbox, database: str, rounds: int) -> None:
    assert report_of(start("tests.soak.killed", rounds, database=database, sandbox=sandbox), rounds + 60) == {}
    report = report_of(start("tests.soak.verify", database=database, sandbox=sandbox), 120)
    sys.stderr.write(f"\n{rounds} kills, {report}\n")
    assert report["rows"] > rounds / 4
    assert report["wrong"] == 0


@pytest.mark.slow
def test_killed_writers_leave_rows_that_resolve(sandbox: Sandbox, database: str) -> None:
    check_killed(sandbox, database, rounds=25)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_killed_writers_leave_rows_that_resolve(sandbox: Sandbox, database: str) -> None:
    check_killed(sandbox, database, rounds=400)
