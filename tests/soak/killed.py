"""A process that forks writers and kills them: ``python -m tests.soak.killed ROUNDS``."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")


def main(rounds: int) -> None:
    django.setup()
    from django.db import connections

    from .rows import Checked, create

    choose = random.Random(4711)
    create(choose, Checked())  # the vault's connections and locks exist before the fork
    for number in range(rounds):
        connections.close_all()
        child = os.fork()
        if child == 0:
            write_for_ever(number)
        time.sleep(choose.uniform(0.03, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def write_for_ever(seed: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from .rows import WRITES, Checked

    def work(number: int) -> None:
        choose = random.Random(seed * 10 + number)
        while True:
            choose.choice(WRITES)(choose, Checked())

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
