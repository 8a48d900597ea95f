"""The exchange of one call with a vault: fresh signature on every try, retries, one time budget."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Protocol

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util import Retry, Timeout

from django_altr.exceptions import AltrError, RateLimited, ServiceUnavailable, VaultConnectionError, VaultTimeout
from django_altr.redact import Redacted

from .auth import utcnow
from .breaker import BreakerState, CircuitBreaker
from .calls import Answer, Call
from .deadline import Deadline
from .errors import clock_skew, error_of_answer, error_of_failure, is_permanent
from .flight import new_flight
from .forks import reset_after_fork
from .pacer import Pacer
from .transport import VaultSession, new_session

__all__ = ["Client", "Credentials", "Options"]

logger = logging.getLogger("django_altr.http")

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
#: Connections kept for the callers' own threads, besides those of the worker pool.
CALLERS = 64


class Credentials(Protocol):
    """What signs a request: see ``auth``."""

    def for_resource(self, resource: str) -> AuthBase: ...


@dataclass(frozen=True)
class Options:
    """The OPTIONS of a vault that concern HTTP; times are in seconds."""

    #: The budget of one exchange, with all its tries, pauses and the reading of the body.
    timeout: float = 10.0
    #: The budget of an operation, with all its exchanges; ``None`` for ``timeout`` for each round of ``max_workers``.
    operation_timeout: float | None = None
    #: For connecting, and again for the TLS handshake; never longer than ``timeout``.
    connect_timeout: float = 3.0
    #: Tries after the first one.
    retries: int = 3
    #: The pauses before the tries: up to 1, 2, 4, ... times this, and random within it.
    backoff_factor: float = 0.1
    #: The longest pause that a Retry-After header can ask for.
    max_retry_after: float = 60.0
    #: Requests in parallel for one operation.
    max_workers: int = 16
    #: Requests a second of this process, ``None`` for no limit.
    rate_limit: float | None = None
    #: Failed exchanges in a row that open the circuit breaker; 0 turns it off.
    breaker_failures: int = 5
    #: How long the open breaker refuses requests before it lets one probe through.
    breaker_reset: float = 5.0
    #: PEM file or directory of the CAs to trust instead of the environment's or certifi's.
    ca_bundle: str | None = None


class Client:
    """One vault's HTTP client, shared by all threads of the process; a forked child starts with fresh connections."""

    def __init__(
        self,
        alias: str,
        location: str,
        credentials: Credentials,
        options: Options,
        *,
        clock: Callable[[], datetime] = utcnow,
        on_breaker_change: Callable[[BreakerState], None] | None = None,
        on_exchange: Callable[[str], None] | None = None,
    ) -> None:
        self.alias = alias
        self._on_exchange = on_exchange
        self.options = options
        self.breaker = CircuitBreaker(options.breaker_failures, options.breaker_reset, on_breaker_change)
        self._location = location.rstrip("/")
        self._credentials = credentials
        self._clock = clock
        self._pacer = Pacer(options.rate_limit)
        self._retry = Retry(total=options.retries, backoff_factor=options.backoff_factor, backoff_max=options.timeout)
        self._dates: tuple[str | None, datetime] | None = None
        self._session: VaultSession | None = None
        self._lock = threading.Lock()
        reset_after_fork(self)

    def __repr__(self) -> str:
        return f"<Client of vault {self.alias!r}>"

    def exchange(self, call: Call) -> Answer:
        """Send the call; return the answer if its status is 200 or one that the call accepts.

        Raises an ``AltrError`` before the deadline of the operation, or within ``timeout`` seconds, otherwise.
        """
        if self._on_exchange is not None:
            self._on_exchange(call.name)
        with new_flight(self.options.timeout) as flight:
            self._refuse_if_late(call, flight.deadline)
            self._refuse_if_open(call)
            outcome = self._try_repeatedly(call, flight.deadline)
        if isinstance(outcome, ServiceUnavailable | VaultTimeout | VaultConnectionError):
            self.breaker.failed()
        else:
            self.breaker.succeeded()
        if isinstance(outcome, AltrError):
            raise outcome
        return outcome

    @property
    def clock_skew(self) -> float | None:
        """Seconds that this machine's clock is ahead of the vault's, by its last answer (full seconds)."""
        return clock_skew(*self._dates) if self._dates else None

    def close(self) -> None:
        """Close the pooled connections; the client can be used again."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def after_fork(self) -> None:
        """Drop, in a forked child, the parent's connections and locks."""
        self._lock = threading.Lock()
        self._session = None
        self.breaker.after_fork()
        self._pacer.after_fork()

    def _refuse_if_late(self, call: Call, deadline: Deadline) -> None:
        if deadline.left() <= 0:
            raise VaultTimeout(
                f"{call.name} was not sent to the vault {self.alias!r}: the operation's time budget of "
                f"{deadline.seconds:g} seconds was used up before. Ask for less at once, or raise the option "
                f"{deadline.option!r}."
            )

    def _refuse_if_open(self, call: Call) -> None:
        if wait := self.breaker.admit():
            until = (datetime.now(UTC) + timedelta(seconds=wait)).strftime("%H:%M:%S")
            raise ServiceUnavailable(
                f"The circuit breaker of the vault {self.alias!r} is open after {self.breaker.failures} failures in a "
                f"row: {call.name} was not sent. The next try is possible at {until} UTC, in {wait:.1f} seconds."
            )

    def _try_repeatedly(self, call: Call, deadline: Deadline) -> Answer | AltrError:
        retry = self._retry
        while True:
            if not self._pacer.wait(deadline):
                return self._paced_out(call, deadline)
            outcome, may_retry, asked = self._try(call, deadline)
            if not may_retry:
                return outcome
            try:
                retry = retry.increment(call.method, error=HTTPError())
            except MaxRetryError:
                return outcome
            pause = self._pause(retry, asked)
            if pause >= deadline.left():
                return outcome
            time.sleep(pause)

    def _try(self, call: Call, deadline: Deadline) -> tuple[Answer | AltrError, bool, str | None]:
        """Return the outcome, whether another try makes sense, and the Retry-After header."""
        started = time.perf_counter()
        received = self._receive(call, deadline)
        milliseconds = (time.perf_counter() - started) * 1000
        if isinstance(received, Answer):
            logger.debug("%s %s %d in %.1f ms", call.method, call.route, received.status, milliseconds)
            self._dates = received.headers.get("Date"), self._clock()
            return self._judge(received, call)
        error, may_retry = received
        logger.debug("%s %s %s after %.1f ms", call.method, call.route, type(error).__name__, milliseconds)
        return error, may_retry, None

    def _receive(self, call: Call, deadline: Deadline) -> Answer | tuple[AltrError, bool]:
        try:
            return self._send(call, deadline)
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            # They end here: the errors of requests hold the request and its body, those of http.client the part of
            # the answer that was read, and every frame below holds both.
            late = deadline.left() <= 0
            clean = error_of_failure(error, call, self.alias, deadline, late)
            return clean, not late and not is_permanent(error)
        except Exception as error:
            # Not ours, such as a task queue's time limit: it passes, but without those frames.
            foreign = error.with_traceback(None)
            foreign.__cause__ = foreign.__context__ = None
        raise foreign

    def _send(self, call: Call, deadline: Deadline) -> Answer:
        response = self._open_session().exchange(
            call.method,
            call.path,
            None if call.body is None else call.body.reveal(),
            call.headers,
            self._credentials.for_resource(call.resource),
            Timeout(connect=deadline.timeout(self.options.connect_timeout), read=deadline.timeout()),
        )
        return Answer(response.status, response.headers, Redacted(response.data))

    def _judge(self, answer: Answer, call: Call) -> tuple[Answer | AltrError, bool, str | None]:
        if answer.status == 200 or answer.status in call.accepts:
            return answer, False, None
        error = error_of_answer(answer, call, self.alias, self._clock())
        return error, answer.status in RETRIED_STATUSES, answer.headers.get("Retry-After")

    def _pause(self, retry: Retry, asked: str | None) -> float:
        most = retry.get_backoff_time() or self.options.backoff_factor
        pause = random.uniform(most / 2, most)  # noqa: S311
        if asked is None:
            return pause
        try:
            return max(pause, min(retry.parse_retry_after(asked), self.options.max_retry_after))
        except (InvalidHeader, ValueError, OverflowError):
            return pause

    def _paced_out(self, call: Call, deadline: Deadline) -> RateLimited:
        return RateLimited(
            f"{call.name} was not sent to the vault {self.alias!r}: the option 'rate_limit' leaves no room within "
            f"{deadline.seconds:g} seconds. Send fewer requests at once."
        )

    def _open_session(self) -> VaultSession:
        if (session := self._session) is not None:
            return session
        with self._lock:
            if self._session is None:
                self._session = new_session(
                    self._location, ca_bundle=self.options.ca_bundle, pool_maxsize=self.options.max_workers + CALLERS
                )
            return self._session
