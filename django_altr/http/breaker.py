"""A circuit breaker: a vault that keeps failing is left alone for a short while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

__all__ = ["BreakerState", "CircuitBreaker"]

BreakerState = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """Opens after ``failures`` failures in a row; ``reset`` seconds later one caller may probe, and so on.

    ``failures=0`` turns it off. ``on_change`` is called with the new state, outside of the lock.
    """

    def __init__(
        self,
        failures: int,
        reset: float,
        on_change: Callable[[BreakerState], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = failures
        self.reset = reset
        self._on_change = on_change
        self._clock = clock
        self._failures = 0
        self._probe_at = 0.0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.state}>"

    @property
    def state(self) -> BreakerState:
        """``closed``: requests pass. ``open``: they are refused. ``half-open``: the next one is the probe."""
        if not self._is_open():
            return "closed"
        return "open" if self._clock() < self._probe_at else "half-open"

    @property
    def failures(self) -> int:
        """How many exchanges failed in a row."""
        return self._failures

    def admit(self) -> float:
        """Return 0 if a request may be sent, else the seconds until the next probe."""
        if not self._is_open():
            return 0.0
        with self._lock:
            now = self._clock()
            if now < self._probe_at:
                return self._probe_at - now
            # The caller is the probe. Should it never report, the next one is let through as late as this.
            self._probe_at = now + self.reset
            return 0.0

    def succeeded(self) -> None:
        if self._failures == 0:
            return
        with self._lock:
            was_open, self._failures = self._is_open(), 0
        self._tell(was_open, "closed")

    def failed(self) -> None:
        with self._lock:
            was_open = self._is_open()
            self._failures += 1
            self._probe_at = self._clock() + self.reset
            opens = self._is_open() and not was_open
        self._tell(opens, "open")

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def _is_open(self) -> bool:
        return 0 < self.limit <= self._failures

    def _tell(self, changed: bool, state: BreakerState) -> None:
        if changed and self._on_change is not None:
            self._on_change(state)
