"""Many requests of one operation, side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from django_altr.http import Budget, Job, Step, Workers
from django_altr.http.flight import new_flight


def number(value: int) -> Step[int]:
    return Step(value)


@contextmanager
def in_flight() -> Iterator[None]:
    """What an exchange does: the block is the time between the request and its answer."""
    with new_flight(10) as flight:
        flight.waits()
        yield


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
        with in_flight():
            time.sleep(0.005)
        with lock:
            running -= 1
        return Step(None)

    Workers("test", 4, Budget(10)).run([job] * 60, lambda nothing: None)
    assert most == 4


def test_jobs_that_one_job_leads_to_run_side_by_side() -> None:
    together = threading.Barrier(4, timeout=5)

    def meet() -> Step[int]:
        with in_flight():
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
        with in_flight():
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


def test_an_answer_is_read_while_the_next_request_is_in_flight() -> None:
    events: list[str] = []

    def job(n: int) -> Job[int]:
        events.append(f"sent {n}")
        with in_flight():
            events.append(f"answer {n}")
        return partial(read, n)

    def read(n: int) -> Step[int]:
        events.append(f"read {n}")
        return Step(n)

    found: list[int] = []
    Workers("test", 1, Budget(10)).run([partial(job, n) for n in range(3)], found.append)
    assert events == ["sent 0", "answer 0", "sent 1", "read 0", "answer 1", "sent 2", "read 1", "answer 2", "read 2"]
    assert found == [0, 1, 2]


def test_an_answer_that_cannot_be_read_ends_the_operation() -> None:
    sent: list[int] = []

    def job(n: int) -> Job[int]:
        sent.append(n)
        with in_flight():
            pass
        return read

    def read() -> Step[int]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Workers("test", 1, Budget(10)).run([partial(job, n) for n in range(100)], lambda n: None)
    assert sent == [0, 1]


def test_what_an_answer_leads_to_is_not_started_after_an_error() -> None:
    started: list[str] = []

    def leads_on() -> Step[int]:
        with in_flight():
            time.sleep(0.05)
        return Step(0, [more])

    def more() -> Step[int]:
        started.append("more")
        return Step(0)

    def fail() -> Step[int]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Workers("test", 2, Budget(10)).run([leads_on, fail], lambda n: None)
    assert started == []


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
