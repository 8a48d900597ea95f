"""One deadline for everything that an exchange does, also where the server drips one byte a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Deadline", "current_deadline", "deadline_scope"]


class Deadline:
    """A point in time, ``seconds`` from now."""

    __slots__ = ("at",)

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, negative once it has passed."""
        return self.at - time.monotonic()

    def timeout(self, most: float | None = None) -> float:
        """Return a socket timeout that ends with the deadline, or raise ``TimeoutError`` if it has passed."""
        left = self.left()
        if left <= 0:
            raise TimeoutError("The time budget is used up.")
        return left if most is None else min(left, most)


_current = threading.local()


def current_deadline() -> Deadline:
    """Return the deadline of the exchange that this thread is in."""
    deadline: Deadline = _current.deadline
    return deadline


@contextmanager
def deadline_scope(deadline: Deadline) -> Iterator[None]:
    """Bind all connections that this thread uses inside the block to the deadline."""
    _current.deadline = deadline
    try:
        yield
    finally:
        del _current.deadline
