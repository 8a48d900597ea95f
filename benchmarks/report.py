"""The rows that a run prints, and the JSON that it leaves."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from .runner import Samples

__all__ = ["Report", "Row", "ratio"]


@dataclass
class Row:
    """One figure beside its target; without a target it is there for comparison."""

    work: str
    figure: float
    target: float | None = None
    #: "<=" or ">=".
    sense: str = "<="
    unit: str = "x"
    #: The lowest and the highest figure of the single rounds.
    spread: tuple[float, float] | None = None
    #: The same ratio of the fastest rounds instead of the medians: what a busy machine disturbs least.
    fastest: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.figure <= self.target if self.sense == "<=" else self.figure >= self.target

    def cells(self) -> list[str]:
        spread = f"{number(self.spread[0])}-{number(self.spread[1])}" if self.spread else ""
        target = "" if self.target is None else f"{self.sense} {number(self.target)}{self.unit}"
        met = {True: "yes", False: "NO", None: ""}[self.met]
        fastest = "" if self.fastest is None else f"{number(self.fastest)}{self.unit}"
        return [self.work, target, f"{number(self.figure)}{self.unit}", met, spread, fastest, self.note]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def ratio(work: str, ours: Samples, base: Samples, kind: str = "wall", **options: Any) -> Row:
    """Return the ratio of the medians; its spread is that of the rounds' own ratios."""
    rounds = [a / b for a, b in zip(ours.of(kind), base.of(kind), strict=True)]
    fastest = min(ours.of(kind)) / min(base.of(kind))
    figure = ours.median(kind) / base.median(kind)
    return Row(work, figure, spread=(min(rounds), max(rounds)), fastest=fastest, **options)


@dataclass
class Report:
    quick: bool
    rows: list[Row] = field(default_factory=list)
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: N -> (requests, seconds)
    cost: dict[int, tuple[int, float]] = field(default_factory=dict)
    #: (rows read, megabytes in use)
    memory: list[tuple[int, float]] = field(default_factory=list)

    def add(self, *rows: Row) -> None:
        self.rows += rows
        for row in rows:
            if self.quick:
                row.target = None  # counts are exact at any size; times mean nothing at this one
            print("  " + "  ".join(filter(None, row.cells())), flush=True)

    def keep(self, experiment: str, samples: dict[str, Samples]) -> None:
        """Keep the times of an experiment for the JSON."""
        self.samples[experiment] = {
            name: {"median_wall": each.median(), "median_cpu": each.median("cpu"), "wall": each.wall, "cpu": each.cpu}
            for name, each in samples.items()
        }

    def table(self) -> str:
        head = ["work", "target", "figure", "met", "rounds", "fastest", "note"]
        lines = [head, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in [padded[0], "-" * sum(widths), *padded[1:], "", *self.notes])

    def save(self, path: Path) -> None:
        import django

        path.parent.mkdir(parents=True, exist_ok=True)
        machine = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "django": django.get_version(),
            "system": platform.system(),
            "gc": "on",
        }
        document = {
            "machine": machine,
            "quick": self.quick,
            "rows": [{**asdict(row), "met": row.met, "cells": row.cells()} for row in self.rows],
            "samples": self.samples,
            "cost": self.cost,
            "memory": self.memory,
            "notes": self.notes,
        }
        path.write_text(json.dumps(document, indent=1))


def drift(points: list[tuple[int, float]]) -> float:
    """Return the megabytes that the second half of a read holds more than its first."""
    half = len(points) // 2
    return median(used for _, used in points[half:]) - median(used for _, used in points[1:half])
