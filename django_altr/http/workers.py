"""Run the requests of one operation in parallel; threads hide latency."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from .deadline import Deadline, operation_scope
from .forks import reset_after_fork

__all__ = ["Job", "Step", "Workers"]

T = TypeVar("T")


@dataclass(repr=False)
class Step(Generic[T]):
    """What one request gave, and the requests that it made necessary. Its repr shows neither."""

    result: T
    more: Sequence[Job[T]] = ()
    #: Whether the further requests ask for the same again, such as the halves of a batch that was refused: they share
    #: the time budget of the first.
    again: bool = False


Job = Callable[[], Step[T]]


class Workers:
    """A pool of ``width`` threads that is started when an operation needs more than one request."""

    def __init__(self, name: str, width: int, budget: float) -> None:
        self._name = name
        self._budget = budget
        self._width = width
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        reset_after_fork(self)

    def run(self, jobs: Iterable[Job[T]], collect: Callable[[T], None]) -> None:
        """Do the jobs and those that they lead to; hand each result to ``collect``, in the caller's thread.

        The first error cancels what has not started and is raised.
        """
        waiting = deque(_Timed(job, self._budget) for job in jobs)
        running: set[Future[_Done[T]]] = set()
        finished: SimpleQueue[Future[_Done[T]]] = SimpleQueue()
        try:
            while waiting or running:
                if not running and (len(waiting) == 1 or self._width == 1):
                    step, deadline = waiting.popleft()()
                else:
                    self._start(waiting, running, finished)
                    future = finished.get()
                    running.discard(future)
                    step, deadline = future.result()
                collect(step.result)
                further = [_Timed(job, self._budget, deadline if step.again else None) for job in step.more]
                waiting.extendleft(reversed(further))  # next, for their time may be running
        finally:
            for future in running:
                future.cancel()

    def _start(
        self, waiting: deque[_Timed[T]], running: set[Future[_Done[T]]], finished: SimpleQueue[Future[_Done[T]]]
    ) -> None:
        while waiting and len(running) < self._width:
            future = self._submit(waiting.popleft())
            running.add(future)
            future.add_done_callback(finished.put)

    def _submit(self, job: _Timed[T]) -> Future[_Done[T]]:
        try:
            return self._open_executor().submit(job)
        except RuntimeError:
            # Another thread closed the pool, or the interpreter is about to exit: work without threads.
            return _done(job)

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


class _Timed(Generic[T]):
    """A job with its time budget, which starts with it or goes on from the job that led to it."""

    __slots__ = ("_budget", "_deadline", "_job")

    def __init__(self, job: Job[T], budget: float, deadline: Deadline | None = None) -> None:
        self._job, self._budget, self._deadline = job, budget, deadline

    def __call__(self) -> _Done[T]:
        deadline = self._deadline or Deadline(self._budget)
        with operation_scope(deadline):
            return self._job(), deadline


_Done = tuple[Step[T], Deadline]


def _done(job: _Timed[T]) -> Future[_Done[T]]:
    future: Future[_Done[T]] = Future()
    try:
        future.set_result(job())
    except Exception as error:
        future.set_exception(error)
    return future
