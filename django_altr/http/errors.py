"""From an answer or a network failure to the error that a person can act on.

No text of the server gets into a message: it may repeat what was sent.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests
import urllib3.exceptions
from urllib3.exceptions import NewConnectionError

from django_altr.exceptions import (
    AltrError,
    BadRequest,
    BatchTooLarge,
    DataCapExceeded,
    Forbidden,
    InvalidResponse,
    RateLimited,
    ServiceUnavailable,
    Unauthorized,
    VaultConnectionError,
    VaultTimeout,
)

from .calls import Answer, Call
from .deadline import Deadline
from .transport import BundleError

__all__ = ["clock_skew", "error_of_answer", "error_of_failure", "is_permanent"]

T = TypeVar("T", bound=BaseException)


def error_of_answer(answer: Answer, call: Call, alias: str, now: datetime) -> AltrError:
    """Return the error for an answer that is no success."""
    status = answer.status
    start = f"The vault {alias!r} answered {call.name} with HTTP {status}: "
    if status == 401:
        return Unauthorized(start + _why_unauthorized(answer, alias, now))
    if status == 403:
        return Forbidden(f"{start}its key lacks the right to {call.right}. Grant it in ALTR or use another key.")
    if status == 429:
        return RateLimited(
            start + "too many requests. Send fewer at once (max_workers, rate_limit) or try again later."
        )
    if status in (413, 509):
        return BatchTooLarge(start + "the request is over its size limit and cannot be split further.")
    if status >= 500:
        return ServiceUnavailable(start + "it failed, or a proxy before it did. Try again later.")
    if 300 <= status < 400:
        return InvalidResponse(
            f"{start}a redirect, which is never followed. Set LOCATION of ALTR[{alias!r}] to the final address."
        )
    if status == 400:
        return _bad_request(answer, start)
    return _unexpected(answer, start, alias)


def _bad_request(answer: Answer, start: str) -> BadRequest:
    message = answer.error()[1].lower()
    if "data cap" in message:
        return DataCapExceeded(start + "the organization's data cap is used up. Ask ALTR to raise it.")
    if "unique key" in message:
        return BadRequest(start + "the JSON repeats a key.")
    return BadRequest(start + "it takes the request as malformed. Check that BACKEND fits the service at LOCATION.")


def _unexpected(answer: Answer, start: str, alias: str) -> AltrError:
    hint = f"Check LOCATION of ALTR[{alias!r}]: something else than ALTR may answer there."
    if answer.status < 300 or answer.status == 404:
        return InvalidResponse(f"{start}this is not what its documentation promises. {hint}")
    return BadRequest(f"{start}it refuses the request. {hint}")


def _why_unauthorized(answer: Answer, alias: str, now: datetime) -> str:
    credentials = f"KEY or SECRET of ALTR[{alias!r}] is wrong, or the key was revoked"
    skew = clock_skew(answer.headers.get("Date"), now)
    if skew is None:
        return f"{credentials}; or the clocks differ by more than 15 minutes (the answer does not tell)."
    if abs(skew) >= 60:
        direction = "ahead of" if skew > 0 else "behind"
        return (
            f"this machine's clock is {abs(skew) / 60:.0f} minutes {direction} the vault's, and 15 are allowed. Set it "
            f"by NTP. If it is right: {credentials}."
        )
    return f"{credentials}. The clocks agree."


def clock_skew(date: str | None, now: datetime) -> float | None:
    """Return the seconds that ``now`` is ahead of a Date header, ``None`` where that is missing or unreadable."""
    try:
        return (now - parsedate_to_datetime(date or "")).total_seconds()
    except (TypeError, ValueError):
        return None


def error_of_failure(error: BaseException, call: Call, alias: str, deadline: Deadline, late: bool) -> AltrError:
    """Return the error for an exchange without an answer. ``late``: the time budget is used up."""
    if late or _is_timeout(error):
        return VaultTimeout(
            f"The vault {alias!r} did not answer {call.name} in time (time budget: {deadline.seconds:g} seconds). "
            f"Check the network, or raise the option {deadline.option!r}."
        )
    return VaultConnectionError(f"The vault {alias!r} could not be reached for {call.name}: {_reason(error)}")


def is_permanent(error: BaseException) -> bool:
    """Tell whether trying again within seconds is useless: nobody will have exchanged the certificate."""
    return _first(error, ssl.SSLCertVerificationError) is not None or isinstance(error, BundleError)


def _is_timeout(error: BaseException) -> bool:
    kinds = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    # urllib3 counts a refused connection and an unknown host among its timeouts.
    return any(isinstance(cause, kinds) and not isinstance(cause, NewConnectionError) for cause in _chain(error))


def _reason(error: BaseException) -> str:
    if isinstance(error, BundleError):
        return f"{error}. Check the option 'ca_bundle', REQUESTS_CA_BUNDLE and SSL_CERT_FILE."
    if (certificate := _first(error, ssl.SSLCertVerificationError)) is not None:
        return (
            f"its TLS certificate is not trusted ({certificate.verify_message}). Verification stays on: name your "
            f"CA's PEM file in the option 'ca_bundle' or in REQUESTS_CA_BUNDLE."
        )
    if _first(error, ssl.SSLError) is not None:
        return "TLS failed. Check that LOCATION speaks https and that no proxy breaks it."
    if _first(error, socket.gaierror) is not None:
        return "its host name cannot be resolved. Check LOCATION and the DNS."
    if _first(error, urllib3.exceptions.ProxyError) is not None:
        return "the proxy of this environment failed. Check HTTPS_PROXY and NO_PROXY."
    codes = (errno.errorcode.get(found.errno or 0) for found in _chain(error) if isinstance(found, OSError))
    if code := next(filter(None, codes), None):
        return f"{code}. Check LOCATION, and that the vault is up."
    return f"the connection was lost or the answer was cut off ({type(error).__name__}). Try again."


def _first(error: BaseException, kind: type[T]) -> T | None:
    return next((cause for cause in _chain(error) if isinstance(cause, kind)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk what requests and urllib3 wrapped: ``args``, ``reason`` and the causes."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or any(cause is known for known in seen):
            continue
        seen.append(cause)
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
