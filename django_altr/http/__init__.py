"""The HTTP client of the vaults: sessions, signatures, retries, time budget. Imports no Django."""

from __future__ import annotations

from .auth import BasicAuth, HmacAuth, utcnow
from .breaker import CircuitBreaker
from .calls import Answer, Call
from .client import Client, Options
from .forks import reset_after_fork
from .location import location_problem
from .workers import Budget, Job, Step, Workers

__all__ = [
    "Answer",
    "BasicAuth",
    "Budget",
    "Call",
    "CircuitBreaker",
    "Client",
    "HmacAuth",
    "Job",
    "Options",
    "Step",
    "Workers",
    "location_problem",
    "reset_after_fork",
    "utcnow",
]
