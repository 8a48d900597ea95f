"""Run variants side by side: one process each, fed round-robin."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .vault import Counts, Server, client_cores, pin

__all__ = ["Expected", "Samples", "Variant", "compare", "workers"]


class CountMismatch(AssertionError):
    """A variant cost other requests, connections or queries than it must."""


@dataclass(frozen=True)
class Expected:
    """What one call of a variant must cost at the server. ``connections`` is the most that it may open."""

    requests: Mapping[str, int]
    connections: int
    queries: int | None = None


@dataclass
class Variant:
    """A work in a process of its own."""

    work: str
    options: dict[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    expected: Expected | None = None


@dataclass
class Samples:
    """What the calls of one variant took: seconds of wall clock and of the process's CPU."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    server_cpu: list[float] = field(default_factory=list)
    result: Any = None

    def of(self, kind: str) -> list[float]:
        values: list[float] = getattr(self, kind)
        return values

    def median(self, kind: str = "wall") -> float:
        return median(self.of(kind))


class Worker:
    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        options = json.dumps({"work": variant.work, **variant.options})
        self.process = subprocess.Popen(
            [variant.python, "-m", "benchmarks.worker", options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        pin(self.process.pid, client_cores())

    def read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The worker of {self.variant.work} ended with code {self.process.wait()}.")
        return json.loads(line)

    def call(self, server: Server | None, argument: object = None) -> dict[str, Any]:
        """Do the work once; check what it cost at the server."""
        assert self.process.stdin is not None
        before, cpu = (server.counts(), server.cpu) if server else (None, 0.0)
        self.process.stdin.write(f"{json.dumps(argument)}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = self.read()
        if server and before:
            answer["server_cpu"] = server.cpu - cpu
            answer["seen"] = server.counts().since(before)
            check(self.variant, answer["seen"], answer["queries"])
        return answer

    def close(self) -> None:
        self.process.communicate()


def check(variant: Variant, seen: Counts, queries: int | None) -> None:
    expected = variant.expected
    if expected is None:
        return
    requests = +(seen.requests - Counter({name: n for name, n in seen.requests.items() if "/_sandbox/" in name}))
    if requests != Counter(expected.requests):
        raise CountMismatch(f"{variant.work}: {dict(requests)} requests, {dict(expected.requests)} expected")
    if seen.connections > expected.connections:
        raise CountMismatch(f"{variant.work}: {seen.connections} new connections, {expected.connections} expected")
    if expected.queries is not None and queries != expected.queries:
        raise CountMismatch(f"{variant.work}: {queries} queries, {expected.queries} expected")


@contextlib.contextmanager
def workers(variants: Mapping[str, Variant]) -> Iterator[dict[str, Worker]]:
    """Start the processes and wait until they are set up."""
    running: dict[str, Worker] = {}
    try:
        for name, variant in variants.items():
            running[name] = Worker(variant)
            if not running[name].read()["gc"]:
                raise RuntimeError("The garbage collector must be on.")
        yield running
    finally:
        for worker in running.values():
            worker.close()


def compare(
    running: Mapping[str, Worker], rounds: int, server: Server | None = None, *, same: bool = True
) -> dict[str, Samples]:
    """Call the variants A B A B after a warm-up; ``same`` asserts that all of them give the same result."""
    samples = {name: Samples() for name in running}
    for number in range(rounds + 1):
        for name, worker in running.items():
            answer = worker.call(server)
            samples[name].result = answer["result"]
            if number:
                samples[name].wall.append(answer["wall"])
                samples[name].cpu.append(answer["cpu"])
                samples[name].server_cpu.append(answer.get("server_cpu", 0.0))
        if same and len({json.dumps(sample.result) for sample in samples.values()}) > 1:
            raise AssertionError(f"The results differ: { {name: s.result for name, s in samples.items()} }")
    return samples
