"""Threads and faults at once: an operation gives the right values or a typed error, never another value."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_altr.backends.base import BaseBackend
from django_altr.exceptions import AltrError
from django_altr.sandbox import Sandbox
from tests.backends.conftest import MakeBackend

SECONDS = 1.5
FAULTS = [
    {"status": 503},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 509},
    {"drop": "before"},
    {"drop": "lost"},
    {"drop": "middle"},
    {"drop": "after"},
    {"corrupt": "half"},
    {"corrupt": "missing"},
    {"corrupt": "hash"},
]


@pytest.mark.parametrize("kind", ["chain", "vaulted"])
def test_no_thread_ever_reads_another_value(make_backend: MakeBackend, sandbox: Sandbox, kind: str) -> None:
    backend = make_backend(kind, timeout=3, retries=2, rate_limit=None)
    stop = threading.Event()
    trouble = threading.Thread(target=make_trouble, args=(sandbox, stop))
    trouble.start()
    try:
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda number: write_and_read(backend, number), range(8)))
    finally:
        stop.set()
        trouble.join()
    assert sum(done) > 8


def make_trouble(sandbox: Sandbox, stop: threading.Event) -> None:
    choose = random.Random(4711)
    while not stop.wait(0.05):
        sandbox.misbehave(times=1, **choose.choice(FAULTS))


def write_and_read(backend: BaseBackend, number: int) -> int:
    """Return how many operations succeeded."""
    choose, known, done = random.Random(number), {}, 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        values = [f"{number} {choose.random()}" for _ in range(choose.randint(1, 20))]
        try:
            known |= dict(
                zip(backend.tokenize_many(values, metadata=choose.choice([None, "label"])), values, strict=True)
            )
            wanted = choose.sample(list(known), min(len(known), 30))
            assert backend.detokenize_many(wanted) == {token: known[token] for token in wanted}
        except AltrError:
            continue
        done += 1
    return done
