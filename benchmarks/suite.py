"""The experiments: what is compared with what, at which latency, against which target."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .environments import Environments
from .report import Report, Row, drift, ratio
from .runner import Expected, Samples, Variant, Worker, compare, workers
from .vault import SandboxServer, Server

__all__ = ["EXPERIMENTS", "Suite"]

BATCH = 1024
READ, WRITE, PUT = "PUT /api/v1/batch", "POST /api/v1/batch", "POST /api/v1/single/"


def requests_for(values: int) -> int:
    return math.ceil(values / BATCH)


@dataclass
class Suite:
    """Sizes and rounds of a run, the fixture server, and where the figures go."""

    server: Server
    report: Report
    environments: Environments
    quick: bool = False

    @property
    def rows(self) -> int:
        return 2_048 if self.quick else 10_000

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 9

    def ours(self, work: str, expected: Expected | None = None, **options: Any) -> Variant:
        return Variant(f"ours.{work}", {"rows": self.rows, "url": self.server.url, **options}, expected=expected)

    def floor(self, work: str, **options: Any) -> Variant:
        return Variant(f"floors.{work}", {"rows": self.rows, **options})

    def wire(self, work: str, **options: Any) -> Variant:
        return self.floor(work, url=self.server.url, **options)

    def compare(
        self, experiment: str, variants: dict[str, Variant], latency: float = 0, rounds: int | None = None
    ) -> dict[str, Samples]:
        with workers(variants) as running:
            return self.measure(experiment, running, latency, rounds)

    def measure(
        self, experiment: str, running: dict[str, Worker], latency: float = 0, rounds: int | None = None, **options: Any
    ) -> dict[str, Samples]:
        with self.server.latency(latency):
            samples = compare(running, rounds or self.rounds, self.server, **options)
        self.report.keep(f"{experiment}, {latency:g} ms", samples)
        return samples


# Reading


def read_three(suite: Suite) -> None:
    """All rows, three fields touched, against plain read + bare batches."""
    expected = Expected({READ: 3 * requests_for(suite.rows)}, connections=0)
    floor = "plain read + http.client"
    variants = {floor: suite.wire("PlainReadAndWire", workers=1)}
    for width in (1, 4, 16):
        # The warm-up opens a connection for each worker thread.
        loose = Expected(expected.requests, connections=width)
        variants[f"ours, {width} in flight"] = suite.ours("Read", loose, workers=width)
    targets = {(20, 1): 1.10, (5, 1): 1.25, (0, 1): 1.6, (20, 4): 0.40}
    with workers(variants) as running:
        for latency in (20, 5, 0):
            samples = suite.measure("read 3 fields", running, latency)
            for width in (1, 4, 16):
                work = f"read {suite.rows:,} x 3 touched, {latency} ms, {width} in flight / serial floor"
                ours, target = samples[f"ours, {width} in flight"], targets.get((latency, width))
                suite.report.add(ratio(work, ours, samples[floor], target=target))


def read_one(suite: Suite) -> None:
    """All rows, one field touched: CPU of the client, beside the peers."""
    expected = Expected({READ: requests_for(suite.rows)}, connections=16)
    variants = {
        "plain": suite.floor("PlainRead", fields=1),
        "ours": suite.ours("Read", expected, fields=1),
    }
    for name, field, python in suite.environments.peers():
        variants[name] = Variant("peers.Read", {"rows": suite.rows, "fields": 1, "field": field}, python)
    samples = suite.compare("read 1 field", variants, rounds=suite.rounds * 3)
    work = f"CPU of reading {suite.rows:,} x 1"
    suite.report.add(ratio(f"{work}: ours / plain", samples["ours"], samples["plain"], "cpu"))
    for name in variants.keys() - {"plain", "ours"}:
        suite.report.add(ratio(f"{work}: {name} / ours", samples[name], samples["ours"], "cpu", target=2.5, sense=">="))


def read_one_by_one(suite: Suite) -> None:
    """One GET a row, on this machine and over a network."""
    for latency, rows in ((0, suite.rows), (5, 100 if suite.quick else 1000)):
        variants = {
            "ours": suite.ours("Read", fields=1, rows=rows),
            "GET": suite.wire("ReadOneByOne", fields=1, rows=rows),
        }
        samples = suite.compare("one GET a row", variants, latency, rounds=min(3, suite.rounds))
        work = f"{rows:,} rows, {latency} ms: one bare GET a row / ours"
        suite.report.add(ratio(work, samples["GET"], samples["ours"]))


def iterate(suite: Suite) -> None:
    """Rows that are not touched."""
    nothing = Expected({}, connections=0, queries=1)
    variants = {"plain": suite.floor("PlainIterate"), "ours": suite.ours("Iterate", nothing)}
    samples = suite.compare("untouched", variants, rounds=suite.rounds * 3)
    suite.report.add(
        ratio("untouched iteration, 3 of 3 columns tokenized / plain", samples["ours"], samples["plain"], target=1.20)
    )
    variants = {"plain": suite.floor("PlainIds"), "ours": suite.ours("Ids", nothing)}
    samples = suite.compare("values_list", variants, rounds=suite.rounds * 10)  # of milliseconds each
    suite.report.add(
        ratio("values_list of another column / plain", samples["ours"], samples["plain"], target=1.05, note="1.0x")
    )


def page(suite: Suite) -> None:
    """A page of 25 rows with three fields is one request."""
    expected = Expected({READ: 1}, connections=1, queries=1)
    variants = {"ours": suite.ours("Page", expected)}
    samples = suite.compare("page", variants, latency=20)
    row = Row("requests of a page of 25 rows x 3 fields", 1, target=1, unit="", note="counted at the server")
    suite.report.add(row)
    suite.report.notes.append(f"Page of 25 x 3 at 20 ms: {1000 * samples['ours'].median():.1f} ms.")


# Writing


def save(suite: Suite) -> None:
    """A row with three changed fields, against one PutData."""
    expected = Expected({PUT: 3}, connections=3)
    variants = {"PutData": suite.wire("PutData"), "ours": suite.ours("Save", expected, rows=10)}
    with workers(variants) as running:
        samples = suite.measure("save", running, 20, suite.rounds * 2, same=False)
    suite.report.add(
        ratio("save() of 3 changed fields, 20 ms / one bare PutData", samples["ours"], samples["PutData"], target=1.3)
    )


def bulk_create(suite: Suite) -> None:
    """Many new rows with one field, by PutData and by PostBatch."""
    count = suite.rows
    rounds = 1 if suite.quick else 5
    single = Expected({PUT: count}, connections=64)
    variants = {
        "floor": suite.wire("PlainBulkCreate", workers=64),
        "ours": suite.ours("BulkCreate", single, fields=1, rows=0, count=count, workers=64),
    }
    samples = suite.compare("bulk_create by PutData", variants, 20, rounds)
    work = f"bulk_create of {count:,}, 20 ms"
    suite.report.add(
        ratio(f"{work}, PutData, 64 workers / bare threads", samples["ours"], samples["floor"], target=1.15)
    )
    batched = Expected({WRITE: requests_for(count)}, connections=16)
    variants = {
        "floor": suite.wire("PlainBulkCreateByBatch", workers=16),
        "ours": suite.ours("BulkCreateByBatch", batched, fields=1, rows=0, count=count, workers=16),
    }
    samples = suite.compare("bulk_create by PostBatch", variants, 20, suite.rounds * 3)
    suite.report.add(
        ratio(f"{work}, PostBatch, 16 workers / bare threads", samples["ours"], samples["floor"], target=1.3)
    )


# The sandbox


def sandbox(suite: Suite) -> None:
    """Batch reads and single writes."""
    with SandboxServer() as server:
        variants = {
            "sqlite3": Variant("sandbox.Sqlite"),
            "http": Variant("sandbox.BatchRead", {"url": suite.server.url}),
            "sandbox": Variant("sandbox.BatchRead", {"url": server.url}),
        }
        with workers(variants) as running:
            samples = compare(running, suite.rounds * 3)
        suite.report.keep("sandbox", samples)
        floor = Samples(
            wall=[sum(both) for both in zip(samples["sqlite3"].wall, samples["http"].wall, strict=True)],
        )
        work = "sandbox: batch read of 1,024 / (sqlite3 module + fastest HTTP exchange)"
        suite.report.add(ratio(work, samples["sandbox"], floor, target=1.6))
        puts = {"puts": Variant("sandbox.PutMany", {"url": server.url, "count": 200 if suite.quick else 2000})}
        with workers(puts) as running:
            samples = compare(running, 3, server)
        rate = puts["puts"].options["count"] / samples["puts"].median("server_cpu")
        suite.report.add(
            Row("sandbox: PutData a second of its CPU", rate, target=1000, sense=">=", unit="", note="of one core")
        )


# Growth


def memory(suite: Suite) -> None:
    """One million rows through an iterator in flat memory."""
    rows = 20_000 if suite.quick else 1_000_000
    chunks = rows // 2000
    with tempfile.TemporaryDirectory() as folder:
        options = {"fields": 1, "rows": rows, "database": str(Path(folder) / "rows.sqlite3")}
        expected = Expected({READ: 2 * chunks}, connections=16)
        variants = {"ours": suite.ours("Memory", expected, **options)}
        with workers(variants) as running:
            answer = running["ours"].call(suite.server)
    suite.report.memory = [(done, used) for done, used in answer["result"]]
    grown = drift(suite.report.memory)
    suite.report.add(
        Row(f"memory: growth over {rows:,} rows, iterator(chunk_size=2000)", grown, target=5, unit=" MB",
            note=f"peak {max(used for _, used in suite.report.memory):.0f} MB, {answer['wall']:.0f} s")
    )  # fmt: skip
    with workers({"ours": suite.ours("Freed", rows=1000)}) as running:
        counts = running["ours"].call(suite.server)["result"]
    if counts != [3000, 1500, 0]:
        raise AssertionError(f"Plaintext outlives its rows: {counts}")
    suite.report.add(Row("plaintexts left when their rows are gone", counts[-1], target=0, unit="", note="of 3,000"))


def cost(suite: Suite) -> None:
    """Requests for N rows."""
    sizes = [1, 10, 100, 1024, 1025, 5000] + ([] if suite.quick else [10_000, 100_000, 1_000_000])
    rows, wrong = max(sizes), 0
    with tempfile.TemporaryDirectory() as folder:
        options = {"fields": 1, "rows": rows, "database": str(Path(folder) / "rows.sqlite3")}
        with workers({"ours": suite.ours("Cost", **options)}) as running:
            for size in sizes:
                answer = running["ours"].call(suite.server, size)
                suite.report.cost[size] = answer["seen"].requests[READ], answer["wall"]
                wrong += suite.report.cost[size][0] != requests_for(size)
    suite.report.add(
        Row(f"sizes from 1 to {rows:,} that cost other than ceil(N/1024) requests", wrong, target=0, unit="")
    )


EXPERIMENTS: dict[str, Callable[[Suite], None]] = {
    "read-3": read_three,
    "read-1": read_one,
    "one-by-one": read_one_by_one,
    "iterate": iterate,
    "page": page,
    "save": save,
    "bulk-create": bulk_create,
    "sandbox": sandbox,
    "memory": memory,
    "cost": cost,
}
