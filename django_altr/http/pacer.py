"""A client-side rate limit."""

from __future__ import annotations

import threading
import time

from .deadline import Deadline

__all__ = ["Pacer"]


class Pacer:
    """Space requests evenly: at most ``rate`` a second for the whole process; ``None`` sets no limit."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, deadline: Deadline) -> bool:
        """Sleep until the next free slot; return ``False`` at once if that is later than the deadline."""
        if not self._interval:
            return True
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next)
            if slot > deadline.at:
                return False
            self._next = slot + self._interval
        time.sleep(slot - now)
        return True

    def after_fork(self) -> None:
        self._lock = threading.Lock()
