"""``python -m benchmarks``: run the experiments, print the table, leave JSON and plots."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from .environments import Environments
from .report import Report
from .suite import EXPERIMENTS, Suite
from .vault import Server

ROOT = Path(__file__).resolve().parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="Small sizes: only the assertions on counts mean something."
    )
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS), help="Which experiments.")
    parser.add_argument("--no-peers", action="store_true", help="Install and run no peers.")
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "benchmarks", help="Folder of results.json.")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="Write table and plots of the documentation there.")
    options = parser.parse_args()
    if options.docs and (options.quick or options.no_peers or set(options.only) != set(EXPERIMENTS)):
        parser.error("--docs needs a whole run.")
    return options


def main() -> int:
    options = arguments()
    environments = Environments(options.output / "environments", wanted=not (options.no_peers or options.quick))
    report, started = Report(options.quick), time.monotonic()
    with Server() as server:
        suite = Suite(server, report, environments, options.quick)
        for name in options.only:
            print(f"{name} ({time.monotonic() - started:.0f} s)", flush=True)
            EXPERIMENTS[name](suite)
    report.notes += [f"Does not install: {pin}." for pin in environments.missing]
    print(f"\n{report.table()}\nAll counts of requests, connections and queries were as expected.")
    report.save(options.output / "results.json")
    if options.docs:
        draw(environments, options)
    return 0


def draw(environments: Environments, options: argparse.Namespace) -> None:
    python = environments.install("plots", "matplotlib==3.11.2")
    command = [python or sys.executable, "-m", "benchmarks.plots", str(options.output / "results.json")]
    subprocess.run([*command, str(options.docs)], check=True)


if __name__ == "__main__":
    sys.exit(main())
