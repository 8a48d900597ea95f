"""Many requests of one operation, side by side."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from django_altr.http import Budget, Job, Step, Workers


def number(value: int) -> Step[int]:
    return Step(value)


def test_every_result_is_collected_once() -> None:
    found: list[int] = []
    Workers("test", 4, Budget(10)).run([partial(number, n) for n in range(1000)], found.append)
    assert sorted(found) == list(range(1000))


@pytest.mark.parametrize("width", [1, 2, 8])
def test_what_a_job_leads_to_is_done_too(width: int) -> None:
    def split(size: int) -> Step[int]:
        half: Job[int] = partial(split, size // 2)
        return Step(0, [half, half]) if size > 1 else Step(1)

    found: list[int] = []
    Workers("test", width, Budget(10)).run([partial(split, 64)], found.append)
    assert sum(found) == 64


def test_no_more_than_the_width_run_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def job() -> Step[None]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1
        return Step(None)

    Workers("test", 4, Budget(10)).run([job] * 60, lambda nothing: None)
    assert most == 4


def test_jobs_that_one_job_leads_to_run_side_by_side() -> None:
    together = threading.Barrier(4, timeout=5)

    def meet() -> Step[int]:
        together.wait()
        return Step(1)

    found: list[int] = []
    Workers("test", 4, Budget(10)).run([lambda: Step(0, [meet] * 4)], found.append)
    assert sum(found) == 4


def test_the_first_error_is_raised_and_nothing_more_is_started() -> None:
    started: list[int] = []

    def job(n: int) -> Step[int]:
        started.append(n)
        if n == 10:
            raise ValueError(n)
        return Step(n)

    with pytest.raises(ValueError, match="10"):
        Workers("test", 2, Budget(10)).run([partial(job, n) for n in range(1000)], lambda n: None)
    assert len(started) < 1000


def test_what_is_in_flight_when_an_error_comes_is_collected() -> None:
    failed = threading.Event()

    def slow() -> Step[str]:
        assert failed.wait(5)
        time.sleep(0.05)
        return Step("slow")

    def fail() -> Step[str]:
        failed.set()
        raise ValueError("no")

    found: list[str] = []
    with pytest.raises(ValueError, match="no"):
        Workers("test", 2, Budget(10)).run([slow, fail], found.append)
    assert found == ["slow"]


def test_operations_of_several_threads_share_the_pool() -> None:
    workers = Workers("test", 4, Budget(10))
    sums: list[int] = []

    def operation() -> None:
        found: list[int] = []
        workers.run([partial(number, n) for n in range(300)], found.append)
        sums.append(sum(found))

    threads = [threading.Thread(target=operation) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sums == [sum(range(300))] * 6


def test_a_pool_that_is_closed_meanwhile_loses_nothing() -> None:
    workers = Workers("test", 4, Budget(10))
    found: list[int] = []

    def job(n: int) -> Step[int]:
        if n == 50:
            workers.close()
        return Step(n)

    workers.run([partial(job, n) for n in range(500)], found.append)
    assert sorted(found) == list(range(500))
