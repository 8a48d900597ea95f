"""Run the requests of one operation in parallel; threads hide latency."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from .deadline import Deadline
from .flight import Flight, flights_of
from .forks import reset_after_fork

__all__ = ["Budget", "Job", "Step", "Workers"]

T = TypeVar("T")

#: Jobs that a thread of the pool does for one operation before another operation may have it.
TURN = 16


@dataclass(repr=False)
class Step(Generic[T]):
    """What one request gave, and the requests that it made necessary. Its repr shows neither."""

    result: T
    more: Sequence[Job[T]] = ()
    #: Whether the further requests ask for the same again, such as the halves of a batch that was refused: they share
    #: the time budget of the first.
    again: bool = False


#: Does one exchange. It may leave the reading of the answer for later, when there is time.
Job = Callable[[], "Step[T] | Job[T]"]


@dataclass(frozen=True)
class Budget:
    """How long an operation may take, in seconds."""

    #: One request, with those that ask for the same again.
    request: float
    #: All of them; ``None`` for ``request`` times the rounds that so many requests make, ``width`` at a time.
    operation: float | None = None

    def of_operation(self, requests: int, width: int) -> float:
        return self.operation or self.request * max(1, math.ceil(requests / width))


class Workers:
    """A pool of threads, started when an operation needs more than one request.

    An operation has ``width`` requests in flight at most: the caller's thread works, too.
    """

    def __init__(self, name: str, width: int, budget: Budget) -> None:
        self._name = name
        self._budget = budget
        self._width = width
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        reset_after_fork(self)

    def run(self, jobs: Iterable[Job[T]], collect: Callable[[T], object]) -> None:
        """Do the jobs and those that they lead to; hand each result to ``collect``, one at a time, in any thread.

        After an error nothing more is started. What is in flight then is waited for and collected, so that nothing
        is lost that was done; the first error is raised.
        """
        _Operation(jobs, collect, self._submit, self._width, self._budget).run()

    def _submit(self, work: Callable[[], None]) -> Future[None] | None:
        """Let a thread of the pool work; return ``None`` if there is none to be had."""
        try:
            return self._open_executor().submit(work)
        except RuntimeError:
            # Another thread closed the pool, or the interpreter is about to exit: the caller does all the work.
            return None

    def _open_executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._width, thread_name_prefix=self._name)
            return self._executor

    def close(self) -> None:
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    def after_fork(self) -> None:
        """Forget, in a forked child, the threads that exist in the parent only."""
        self._lock = threading.Lock()
        self._executor = None


class _Operation(Generic[T]):
    """The jobs of one operation. Threads take the next one themselves: to hand each over costs half a request's CPU.

    While a request is on its way there is time: to call one more thread, if another request may be in flight (with a
    vault that answers at once there are few threads, with one that is far away as many as allowed), and to read an
    answer that came before.
    """

    def __init__(
        self,
        jobs: Iterable[Job[T]],
        collect: Callable[[T], object],
        submit: Callable[[Callable[[], None]], Future[None] | None],
        width: int,
        budget: Budget,
    ) -> None:
        self._waiting = deque(_Timed(job) for job in jobs)
        self._answered: deque[_Timed[T]] = deque()
        self._collect = collect
        self._submit = submit
        self._width = width
        self._idle = width - 1
        self._budget = budget
        self._requests = len(self._waiting)
        option = "timeout" if budget.operation is None else "operation_timeout"
        self._deadline = Deadline(budget.of_operation(self._requests, width), option)
        self._helpers: deque[Future[None]] = deque()
        self._error: Exception | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        try:
            while self._send_next() or self._read_next() or self._await_helper():
                pass
        finally:
            # Also when something stops this thread from outside.
            self._waiting.clear()
        if self._error is not None:
            raise self._error

    def use_the_time(self) -> None:
        """Do what there is to do while a request is on its way."""
        self._call_helper()
        self._read_next()

    # Threads

    def _call_helper(self) -> None:
        if not (self._waiting and self._idle):
            return
        with self._lock:
            if not self._idle:
                return
            self._idle -= 1
        self._submit_help()

    def _submit_help(self) -> None:
        if (helper := self._submit(self._help)) is not None:
            self._helpers.append(helper)

    def _help(self) -> None:
        for _ in range(TURN):
            if not (self._send_next() or self._read_next()):
                with self._lock:
                    self._idle += 1
                return
        self._submit_help()  # at the end of the queue

    def _await_helper(self) -> bool:
        """Wait for a thread that helps, for it may leave more to do; return whether there was one."""
        if not self._helpers:
            return False
        helper = self._helpers.popleft()
        if helper.cancel():  # it has not started, and came too late
            with self._lock:
                self._idle += 1
        else:
            helper.result()
        return True

    # Jobs

    def _send_next(self) -> bool:
        """Do the next job; return whether there was one."""
        if self._error is not None or (timed := _next_of(self._waiting)) is None:
            return False
        flight = _JobFlight(self, timed.deadline or self._deadline.within(self._budget.request))
        with flights_of(flight):
            self._do(timed.job, flight.deadline)
        return True

    def _read_next(self) -> bool:
        """Read an answer; return whether there was one."""
        if (timed := _next_of(self._answered)) is None:
            return False
        self._do(timed.job, timed.deadline)
        return True

    def _do(self, job: Job[T], deadline: Deadline | None) -> None:
        try:
            done = job()
            if isinstance(done, Step):
                with self._lock:
                    self._collect(done.result)
                self._add(done, deadline)
            else:
                self._answered.append(_Timed(done, deadline))
        except Exception as error:
            self._error = self._error or error

    def _add(self, step: Step[T], deadline: Deadline | None) -> None:
        if step.more and not step.again:
            deadline = None
            with self._lock:
                self._requests += len(step.more)
                self._deadline.extend(self._budget.of_operation(self._requests, self._width))
        # Next, for their time may be running.
        self._waiting.extendleft(_Timed(job, deadline) for job in reversed(step.more))


class _JobFlight(Flight):
    """The exchanges of one job: they have one deadline."""

    def __init__(self, operation: _Operation[Any], deadline: Deadline) -> None:
        self._operation = operation
        self.deadline = deadline

    def waits(self) -> None:
        self._operation.use_the_time()


class _Timed(NamedTuple, Generic[T]):
    """A job, and the deadline of the one that it goes on from."""

    job: Job[T]
    deadline: Deadline | None = None


def _next_of(queue: deque[T]) -> T | None:
    try:
        return queue.popleft()
    except IndexError:
        return None
