"""Plots and table of the documentation: ``python -m benchmarks.plots results.json docs``; needs matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "django-altr", "font.size": 9})

from matplotlib import pyplot  # noqa: E402

OURS, OTHERS = "#1f6feb", "#8c959f"


def save(name: str, folder: Path) -> None:
    pyplot.tight_layout()
    pyplot.savefig(folder / f"performance-{name}.svg", metadata={"Date": None})
    pyplot.close()


def cpu(results: dict[str, Any], folder: Path) -> None:
    """Client CPU of reading one field of all rows."""
    samples = results["samples"]["read 1 field, 0 ms"]
    times = {name: 1000 * each["median_cpu"] for name, each in samples.items()}
    names = sorted(times, key=times.__getitem__, reverse=True)
    shown = {"ours": "django-altr", "plain": "plain CharField"}
    pyplot.figure(figsize=(7, 2.6))
    bars = pyplot.barh(
        [shown.get(name, name) for name in names],
        [times[name] / times["plain"] for name in names],
        color=[OURS if name == "ours" else OTHERS for name in names],
    )
    pyplot.bar_label(bars, fmt="%.1fx", padding=3)
    pyplot.xlabel("client CPU, plain CharField = 1")
    pyplot.margins(x=0.12)
    save("cpu", folder)


def cost(results: dict[str, Any], folder: Path) -> None:
    """Requests for N rows."""
    sizes = [int(size) for size in results["cost"]]
    pyplot.figure(figsize=(7, 3))
    pyplot.plot(sizes, sizes, color=OTHERS, linestyle="--", label="one GET a row")
    pyplot.plot(sizes, [requests for requests, _ in results["cost"].values()], "o-", color=OURS, label="django-altr")
    pyplot.xscale("log")
    pyplot.yscale("log")
    pyplot.xlabel("rows read, one field")
    pyplot.ylabel("requests to the vault")
    pyplot.legend(frameon=False)
    save("cost", folder)


def memory(results: dict[str, Any], folder: Path) -> None:
    """Memory in use along a read of all rows."""
    rows, used = zip(*results["memory"], strict=True)
    pyplot.figure(figsize=(7, 2.4))
    pyplot.plot(rows, used, color=OURS)
    pyplot.ylim(0, 1.3 * max(used))
    pyplot.ticklabel_format(style="plain")
    pyplot.xlabel("rows read")
    pyplot.ylabel("resident memory, MB")
    save("memory", folder)


def table(results: dict[str, Any], path: Path) -> None:
    """Write the rows as Markdown."""
    machine = results["machine"]
    lines = [
        "<!-- Written by `make bench ARGS='--docs docs'`. -->",
        "",
        "| work | target | figure | met | single rounds | fastest rounds |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(row['cells'][:6])} |" for row in results["rows"]),
        "",
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}, Django {machine['django']}; "
        f"garbage collector {machine['gc']}.",
    ]
    path.write_text("\n".join([*lines, ""]))


def main() -> None:
    results, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    for plot in (cpu, cost, memory):
        plot(results, folder / "images")
    table(results, folder / "performance-table.md")


if __name__ == "__main__":
    main()
