"""Points in time that an exchange, or an operation, has to be done by."""

from __future__ import annotations

import time

__all__ = ["Deadline"]


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
