"""Requests, answers and errors as the sandbox's handlers see them: no sockets here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ApiError", "Request", "Response", "Route", "bad_json", "dump", "parse_batch", "strict_loads"]

#: ``error_type`` by status, as ALTR documents it.
ERROR_TYPES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "resource_not_found",
    405: "method_not_allowed",
    408: "timeout",
    411: "bad_request",
    413: "bad_request",
    414: "bad_request",
    429: "rate_limit",
    501: "bad_request",
    505: "bad_request",
    509: "bandwidth",
}


@dataclass(slots=True)
class Request:
    """One HTTP request, body read.

    ``headers`` are bytes by ``Title-Case`` name. ``values`` is the number of values that the request carries; the
    handler sets it once the body is parsed.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    connection: int = 0
    token: str = ""
    values: int = 0

    def header(self, name: str) -> str | None:
        """Return a header as text (Latin-1, so nothing is lost), ``None`` if it was not sent."""
        value = self.headers.get(name.title().encode("latin-1"))
        return None if value is None else value.decode("latin-1")


@dataclass(slots=True)
class Response:
    """One HTTP answer."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        return cls(status, dump(value), {"Content-Type": "application/json", **(headers or {})})


class ApiError(Exception):
    """An answer other than 200. The message goes to the client: it holds tokens and numbers, never data."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})

    @property
    def error_type(self) -> str:
        return ERROR_TYPES.get(self.status, "internal_error")


@dataclass(frozen=True, slots=True)
class Route:
    """A call of the API: how it is asked for, who answers, and what its errors look like."""

    method: str
    path: str
    handler: Callable[[Request], Response]
    error_body: Callable[[ApiError], object]


def dump(value: object) -> bytes:
    # ASCII only: even a lone surrogate that is echoed stays valid JSON.
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def bad_json(reason: str = "") -> ApiError:
    return ApiError(400, f"Invalid JSON detected. {reason}".rstrip())


def parse_batch(request: Request, limit: int) -> dict[str, Any]:
    """Return the request's JSON object: at most ``limit`` values, no key twice."""
    content_type = request.header("Content-Type")
    if content_type is not None and content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(400, "Content-Type must be application/json")
    batch = _parse_json(request.body)
    if not isinstance(batch, dict):
        raise bad_json("The body must be an object")
    request.values = len(batch)
    if len(batch) > limit:
        raise ApiError(400, f"No more than {limit} values are accepted in a request")
    return batch


def _parse_json(body: bytes) -> object:
    try:
        return strict_loads(body, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError):
        pass
    # Outside of the except block: the decoder's error holds the whole body.
    raise bad_json()


def strict_loads(body: bytes, **hooks: Any) -> Any:
    """Parse JSON in UTF-8; ``ValueError`` for what Python alone takes for JSON: NaN, and numbers out of range."""
    return json.loads(body.decode("utf-8"), parse_constant=_not_finite, parse_float=_finite, **hooks)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    batch = dict(pairs)
    if len(batch) != len(pairs):
        raise bad_json("Failed unique key check")
    return batch


def _not_finite(text: str) -> float:
    raise ValueError("not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("out of range")
    return number
