"""Who may do what: API keys, the classic HMAC signature, and Basic credentials of v2."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .wire import ApiError, Request

__all__ = ["ALL_RIGHTS", "DEFAULT_KEY", "DEFAULT_SECRET", "DETERMINISM", "Key", "Keyring", "parse_date"]

DEFAULT_KEY = "sandbox-key"
DEFAULT_SECRET = "sandbox-secret"  # noqa: S105 - it protects nothing: the sandbox is for development

READ, WRITE, DEREFERENCE, DETERMINISM = "read", "write", "dereference", "determinism"
ALL_RIGHTS = frozenset({READ, WRITE, DEREFERENCE, DETERMINISM})

#: Seconds that a request's date may be off the server's clock, either way.
CLOCK_WINDOW = 15 * 60


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. ``rights`` is a subset of read, write, dereference (delete) and determinism."""

    key: str = DEFAULT_KEY
    secret: str = field(default=DEFAULT_SECRET, repr=False)
    rights: frozenset[str] = ALL_RIGHTS

    def __post_init__(self) -> None:
        object.__setattr__(self, "rights", frozenset(self.rights))
        if unknown := self.rights - ALL_RIGHTS:
            raise ValueError(f"Unknown rights {sorted(unknown)}; there are {sorted(ALL_RIGHTS)}.")
        if ":" in self.key or not self.key or not self.secret:
            raise ValueError("A key and a secret are not empty, and the key holds no colon.")


class Keyring:
    """The keys that a sandbox accepts. ``clock`` returns the server's time (seconds since 1970)."""

    def __init__(self, keys: Iterable[Key], clock: Callable[[], float]) -> None:
        self._clock = clock
        self.replace(keys)

    def replace(self, keys: Iterable[Key]) -> None:
        self._keys = {key.key: key for key in keys}

    def add(self, key: Key) -> None:
        self._keys = {**self._keys, key.key: key}

    def authorize_signed(self, request: Request, right: str, denied: str) -> Key:
        """Check ``Authorization: ALTR key:signature``, the date and the right (the classic API)."""
        scheme, _, credentials = (request.header("Authorization") or "").partition(" ")
        name, colon, signature = credentials.strip().partition(":")
        if scheme.upper() != "ALTR" or not colon:
            raise ApiError(401, "API key must be included in header.")
        date = request.header("X-ALTR-DATE")
        if date is None:
            raise ApiError(401, "X-ALTR-DATE must be included in header.")
        self._check(name, lambda secret: _same(signature, sign(secret, request.method, request.token, date)))
        self._check_date(date)
        return self._check_right(name, right, denied)

    def authorize_basic(self, request: Request, right: str, denied: str) -> Key:
        """Check HTTP Basic credentials and the right (v2)."""
        scheme, _, encoded = (request.header("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            raise ApiError(401, "API key must be included in header.", {"WWW-Authenticate": 'Basic realm="ALTR"'})
        try:
            name, _, given = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            name, given = "", ""
        self._check(name, lambda secret: _same(given, secret))
        return self._check_right(name, right, denied)

    def _check(self, name: str, accepts: Callable[[str], bool]) -> None:
        # An unknown key takes as long as a wrong signature.
        known = self._keys.get(name)
        if not accepts(known.secret if known else "unknown") or known is None:
            raise ApiError(401, "The API key could not be authenticated.")

    def _check_date(self, text: str) -> None:
        date = parse_date(text)
        if date is None:
            raise ApiError(401, "X-ALTR-DATE is not a date that is understood; send ISO 8601 in UTC.")
        if abs(date - self._clock()) > CLOCK_WINDOW:
            raise ApiError(401, "X-ALTR-DATE is more than 15 minutes off the server's clock.")

    def _check_right(self, name: str, right: str, denied: str) -> Key:
        key = self._keys[name]
        if right not in key.rights:
            raise ApiError(403, denied)
        return key


def sign(secret: str, method: str, resource: str, date: str) -> str:
    """Return base64(HMAC-SHA256(secret, "METHOD\\nRESOURCE\\nDATE\\n"))."""
    payload = f"{method}\n{resource}\n{date}\n".encode("latin-1")
    return base64.b64encode(hmac.digest(secret.encode(), payload, hashlib.sha256)).decode("ascii")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def parse_date(text: str) -> float | None:
    """Return seconds since 1970 of an ``X-ALTR-DATE``, ``None`` if it is no date. A date without a zone is UTC.

    ISO 8601, RFC 1123, ``dd-mm-yyyy HH:MM:SS``, JavaScript's ``Date.toString()``.
    """
    for parse in (datetime.fromisoformat, _parse_day_first, _parse_javascript, parsedate_to_datetime):
        try:
            date = parse(text)
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _parse_day_first(text: str) -> datetime:
    return datetime.strptime(text, "%d-%m-%Y %H:%M:%S")


def _parse_javascript(text: str) -> datetime:
    return datetime.strptime(re.sub(r" \([^)]*\)$", "", text), "%a %b %d %Y %H:%M:%S GMT%z")
