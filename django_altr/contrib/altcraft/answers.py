"""JSON both ways: what is sent, and the platform's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from django.core.serializers.json import DjangoJSONEncoder

from django_altr.redact import Redacted

__all__ = ["Answer", "encode", "parse"]

DUPLICATE_HEADERS = ("Duplicate-Request", "X-Duplicate-Request")
DUPLICATE_KEY_HEADERS = ("Duplicate-Key", "X-Duplicate-Key")


class Answer(Mapping[str, Any]):
    """A successful answer: its JSON object, read only. Its ``repr`` shows no values.

    ``duplicate`` tells that the platform had applied a request with this Request-ID before and repeats its answer;
    ``duplicate_key`` is how it knows that request.
    """

    __slots__ = ("_values", "duplicate", "duplicate_key")

    def __init__(self, values: Redacted[dict[str, Any]], headers: Mapping[str, str]) -> None:
        self._values = values
        self.duplicate = _first(headers, DUPLICATE_HEADERS).lower() == "true"
        self.duplicate_key = _first(headers, DUPLICATE_KEY_HEADERS)

    def __getitem__(self, name: str) -> Any:
        return self._values.reveal()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values.reveal())

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Answer{' to a duplicate' if self.duplicate else ''}: {', '.join(self)}>"


def encode(value: object) -> Redacted[bytes | None]:
    """Return JSON in UTF-8, or the wrapper of ``None`` where the value cannot be written so.

    Dates, times, decimals and UUIDs are written as Django does; keys are sorted, so equal values give equal bytes.
    """
    try:
        text = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, sort_keys=True, allow_nan=False)
        return Redacted(text.encode())
    except (TypeError, ValueError, RecursionError):
        # The error may hold the value: it ends here.
        return Redacted(None)


def parse(response: Redacted[requests.Response]) -> Redacted[dict[str, Any]] | None:
    """Return an answer's JSON object, ``None`` if it is none or has no error code."""
    try:
        # Given bytes, it would guess other encodings.
        values = json.loads(response.reveal().content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    known = isinstance(values, dict) and isinstance(values.get("error"), int)
    return Redacted(values) if known else None


def _first(headers: Mapping[str, str], names: Sequence[str]) -> str:
    return next((headers[name] for name in names if name in headers), "")
