"""One deadline for everything that an exchange does, also where the server drips one byte a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Deadline", "current_deadline", "deadline_scope", "operation_deadline", "operation_scope"]


class Deadline:
    """A point in time, ``seconds`` from now; ``option`` is the one that a person would raise, for messages."""

    __slots__ = ("at", "option", "seconds")

    def __init__(self, seconds: float, option: str = "timeout") -> None:
        self.at = time.monotonic() + seconds
        self.seconds = seconds
        self.option = option

    def within(self, seconds: float) -> Deadline:
        """Return one that is ``seconds`` from now, or as early as this one."""
        inner = Deadline(seconds)
        if self.at < inner.at:
            inner.at, inner.seconds, inner.option = self.at, self.seconds, self.option
        return inner

    def extend(self, seconds: float) -> None:
        """Move it, to ``seconds`` after it was set."""
        self.at += seconds - self.seconds
        self.seconds = seconds

    def left(self) -> float:
        """Return the seconds left, negative once it has passed."""
        return self.at - time.monotonic()

    def timeout(self, most: float | None = None) -> float:
        """Return a socket timeout that ends with the deadline, or raise ``TimeoutError`` if it has passed."""
        left = self.left()
        if left <= 0:
            raise TimeoutError("The time budget is used up.")
        return left if most is None else min(left, most)


class _Current(threading.local):
    operation: Deadline | None = None
    deadline: Deadline


_current = _Current()


@contextmanager
def operation_scope(deadline: Deadline) -> Iterator[None]:
    """Let the exchanges of this thread inside the block end with the deadline."""
    _current.operation = deadline
    try:
        yield
    finally:
        _current.operation = None


def operation_deadline(seconds: float) -> Deadline:
    """Return the deadline of the operation that this thread is in, or one that starts now."""
    return _current.operation or Deadline(seconds)


def current_deadline() -> Deadline:
    """Return the deadline of the exchange that this thread is in."""
    return _current.deadline


@contextmanager
def deadline_scope(deadline: Deadline) -> Iterator[None]:
    """Bind all connections that this thread uses inside the block to the deadline."""
    _current.deadline = deadline
    try:
        yield
    finally:
        del _current.deadline
