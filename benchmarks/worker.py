"""One variant in a process of its own: ``python -m benchmarks.worker '{"work": "floors.Read", ...}'``.

It says ``{"ready": ...}``, then does its work once for every line on stdin (a JSON value, the work's argument), and
prints what that took.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from types import SimpleNamespace
from typing import Any


def load(options: dict[str, Any]) -> Any:
    module, name = options.pop("work").rsplit(".", 1)
    work = getattr(importlib.import_module(f"benchmarks.works.{module}"), name)
    return work(SimpleNamespace(**options))


def measure(work: Any) -> dict[str, Any]:
    """Do the work once, with the garbage collector on and nothing left over from before."""
    work.before()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "result": result, "queries": work.queries()}


def main() -> None:
    work = load(json.loads(sys.argv[1]))
    print(json.dumps({"ready": type(work).__name__, "gc": gc.isenabled()}), flush=True)
    for line in sys.stdin:
        work.argument = json.loads(line)
        print(json.dumps(measure(work)), flush=True)


if __name__ == "__main__":
    main()
