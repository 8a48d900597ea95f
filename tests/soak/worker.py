"""A process of the soak: ``python -m tests.soak.worker SECONDS THREADS SEED``; prints its report as JSON."""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import django
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")


def main(seconds: float, threads: int, seed: int) -> None:
    django.setup()
    end = time.monotonic() + seconds
    middle = threading.Timer(seconds / 2, lambda: measured.append(memory()))
    measured: list[float] = []
    middle.start()
    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(lambda number: work(end, seed * 1000 + number), range(threads)))
    middle.join()
    report = {
        "operations": sum(each.operations for each in done),
        "errors": sum(each.errors for each in done),
        "wrong": sum(each.wrong for each in done),
        "untyped": [text for each in done for text in each.untyped],
        "megabytes": [*measured, memory()],
        "connections": connections(),
        "leaked": leaked(),
    }
    sys.stdout.write(json.dumps(report))


def work(end: float, seed: int):  # type: ignore[no-untyped-def]
    from django.db import connection

    from django_altr.exceptions import AltrError

    from .rows import READS, WRITES, Checked

    choose, checked = random.Random(seed), Checked()
    while time.monotonic() < end:
        operation = choose.choice(choose.choice([READS, WRITES]))
        checked.operations += 1
        try:
            operation(choose, checked)
        except AltrError as error:
            checked.errors += 1
            assert error.__cause__ is None
        except Exception as error:
            checked.untyped.append(f"{operation.__name__}: {type(error).__name__}: {error}"[:300])
    connection.close()
    return checked


def memory() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def to_vault() -> list[psutil._common.pconn]:
    port = int(os.environ["ALTR_URL"].rpartition(":")[2].partition("?")[0])
    return [each for each in psutil.Process().net_connections("tcp") if each.raddr and each.raddr.port == port]


def connections() -> int:
    return len(to_vault())


def leaked() -> int:
    """Count the connections that are still open after the vault was closed."""
    from django_altr import vaults

    vaults.reset()
    gc.collect()
    return connections()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
