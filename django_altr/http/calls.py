"""A call of the vault's API and its answer. Neither shows its body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from django_altr.redact import Redacted

__all__ = ["Answer", "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the vault's documentation describes it."""

    #: The name in the documentation, for messages: ``PutData``.
    name: str
    method: str
    #: The path below LOCATION, percent-encoded.
    path: str
    #: The path with placeholders, for the log.
    route: str
    #: The right of the key that the call needs, for messages.
    right: str
    #: The RESOURCE of the signature: the token of a GET.
    resource: str = ""
    body: Redacted[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Statuses besides 200 that the caller handles itself.
    accepts: frozenset[int] = frozenset()


class Answer:
    """Status, headers and body of a response."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: Redacted[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"

    def json(self) -> Redacted[object]:
        """Return the parsed body, or the wrapper of ``None`` where it is no JSON in UTF-8 (RFC 8259)."""
        try:
            # Given bytes, it would guess other encodings, and let lone surrogates pass.
            return Redacted(json.loads(self.body.reveal().decode("utf-8-sig")))
        except (ValueError, RecursionError):
            # The error holds the document: it ends here.
            return Redacted(None)

    def flag(self, header: str) -> bool:
        return self.headers.get(header, "").strip().lower() == "true"

    def error(self) -> tuple[str, str]:
        """Return error_type and error_message of either documented shape, or two empty strings."""
        parsed = self.json().reveal()
        if isinstance(parsed, dict) and isinstance(parsed.get("response"), dict):
            parsed = parsed["response"]
        if not isinstance(parsed, dict):
            return "", ""
        return str(parsed.get("error_type") or ""), str(parsed.get("error_message") or "")
