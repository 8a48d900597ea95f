"""A request in flight: until when, and whom to tell that there is time for something else."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from .deadline import Deadline

__all__ = ["Flight", "current_flight", "flights_of", "new_flight"]


class Flight:
    """One exchange, from sending to the last byte of the answer; a context manager.

    This one belongs to no operation and has ``seconds`` from now.
    """

    deadline: Deadline

    def __init__(self, seconds: float) -> None:
        self.deadline = Deadline(seconds)

    def __enter__(self) -> Self:
        _current.flight = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del _current.flight

    def waits(self) -> None:
        """From now on there is only to wait: for a connection, or, once the request is sent, for the answer."""


class _Current(threading.local):
    flight: Flight
    of_job: Flight | None = None


_current = _Current()


def current_flight() -> Flight:
    """Return the flight that this thread is in."""
    return _current.flight


def new_flight(seconds: float) -> Flight:
    """Return the flight of the job that this thread does, or one of ``seconds`` that belongs to no operation."""
    return _current.of_job or Flight(seconds)


class flights_of:
    """Let the exchanges of this thread inside the block be those of a job."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight

    def __enter__(self) -> None:
        _current.of_job = self._flight

    def __exit__(self, *exc_info: object) -> None:
        _current.of_job = None
