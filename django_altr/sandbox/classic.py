"""The classic API ("chainAPI", v1): PutData, GetData, GetMetadata, token status and the two batch calls."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from .auth import DETERMINISM, READ, WRITE, Key, Keyring
from .store import Store
from .wire import ApiError, Request, Response, Route, bad_json, parse_batch

__all__ = ["Classic"]

SINGLE, BATCH = "/api/v1/single/", "/api/v1/batch"
MAX_VALUES = 1024
#: 1 kB is taken as 1,024 bytes; clients had better reckon with 1,000.
MAX_VALUE_BYTES = 3 * 1024
MAX_BATCH_BYTES = 500 * 1024
OVERFLOW = {"X-Overflow-Data": "true"}
PREFIX = "chain_"
TOKEN = re.compile(PREFIX + r"[0-9a-f]{64}")


def new_token() -> str:
    return PREFIX + secrets.token_hex(32)


def nested_error(error: ApiError) -> object:
    return {"success": False, "response": {"error_type": error.error_type, "error_message": error.message}}


def flat_error(error: ApiError) -> object:
    return {"error_type": error.error_type, "error_message": error.message}


class Classic:
    """The classic calls over a store."""

    def __init__(self, store: Store, keys: Keyring) -> None:
        self._store, self._keys = store, keys

    def routes(self) -> list[Route]:
        return [
            Route("POST", SINGLE, self.put_data, nested_error),
            Route("GET", f"{SINGLE}:referenceToken", self.get_data, nested_error),
            Route("GET", f"{SINGLE}:referenceToken/metadata", self.get_metadata, flat_error),
            Route("GET", f"{SINGLE}:referenceToken/status", self.get_status, nested_error),
            Route("POST", BATCH, self.post_batch, nested_error),
            Route("PUT", BATCH, self.get_batch, nested_error),
        ]

    def put_data(self, request: Request) -> Response:
        self._keys.authorize_signed(request, WRITE, "API key does not have write permission.")
        request.values = 1
        token = new_token()
        self._store.add(token, kept_data(request), metadata_of(request))
        return succeed({"data": {"referenceToken": token}})

    def get_data(self, request: Request) -> Response:
        self._may_read(request)
        data, metadata = self._find(request)
        headers = {"Content-Type": "application/octet-stream", "X-Expected-Hash": md5(data)}
        if metadata is not None:
            headers["X-ALTR-Metadata"] = metadata.decode("latin-1")
        return Response(200, data, headers)

    def get_metadata(self, request: Request) -> Response:
        self._may_read(request)
        _, metadata = self._find(request)
        return Response.json({"success": True} | ({} if metadata is None else {"metadata": to_text(metadata)}))

    def get_status(self, request: Request) -> Response:
        self._may_read(request)
        request.values = 1
        known = self._store.get(request.token) is not None
        return succeed({"data": dict.fromkeys(("token_active", "data_protected", "data_available"), known)})

    def post_batch(self, request: Request) -> Response:
        key = self._keys.authorize_signed(request, WRITE, "API key does not have write permissions.")
        deterministic = wants_determinism(request, key)
        values = {name: encode(value) for name, value in parse_batch(request, MAX_VALUES).items()}
        kept = {name: data for name, data in values.items() if len(data) <= MAX_VALUE_BYTES}
        consumed = check_total(kept.values())
        if deterministic:
            tokens = self._store.add_deterministic("chain", new_token, list(kept.values()))
        else:
            tokens = self._store.add_many(new_token, list(kept.values()))
        answer = dict.fromkeys(values) | dict(zip(kept, tokens, strict=True))
        flags = OVERFLOW if len(kept) < len(values) else {}
        return Response.json(answer, headers={"X-Bytes-Consumed": str(consumed), **flags})

    def get_batch(self, request: Request) -> Response:
        self._may_read(request)
        batch = parse_batch(request, MAX_VALUES)
        asked = {name: value for name, value in batch.items() if isinstance(value, str) and value.startswith(PREFIX)}
        found = self._store.get_many({value for value in asked.values() if value.isascii()})
        unknown = (value for value in dict.fromkeys(asked.values()) if value not in found)
        if missing := list(filter(TOKEN.fullmatch, unknown)):
            raise ApiError(404, f"The following tokens could not be found: {', '.join(missing)}")
        texts = {token: decode(data) for token, data in found.items()}
        given = {name: texts[value] for name, value in asked.items() if value in texts}
        check_total(found[asked[name]] for name, text in given.items() if text is not None)
        flags = OVERFLOW if None in given.values() else {}
        return Response.json(batch | given, headers=flags)

    def _may_read(self, request: Request) -> None:
        self._keys.authorize_signed(request, READ, "API key does not have read permissions.")

    def _find(self, request: Request) -> tuple[bytes, bytes | None]:
        request.values = 1
        found = self._store.get(request.token) if TOKEN.fullmatch(request.token) else None
        if found is None:
            raise ApiError(404, "Token could not be found.")
        return found


def kept_data(request: Request) -> bytes:
    """Return the part of a PutData body that is stored: all of it, unless its length was announced as a wrong hint."""
    hint = request.header("X-Content-Length-Hint")
    if hint is None or request.header("Content-Length") is not None:
        return request.body
    if not re.fullmatch(r"[0-9]{1,18}", hint):
        raise ApiError(400, "X-Content-Length-Hint must be a number of bytes.")
    return request.body[:MAX_VALUE_BYTES] if int(hint) < MAX_VALUE_BYTES else request.body


def metadata_of(request: Request) -> bytes | None:
    metadata = request.header("X-ALTR-METADATA")
    if metadata is None:
        return None
    if any(ord(character) < 32 and character != "\t" for character in metadata):
        raise ApiError(400, "X-ALTR-METADATA must not hold control characters.")
    return metadata.encode("latin-1")


def to_text(metadata: bytes) -> str:
    """Return a header's bytes as text: UTF-8 if that is what was sent, else Latin-1, HTTP's own."""
    try:
        return metadata.decode("utf-8")
    except UnicodeDecodeError:
        return metadata.decode("latin-1")


def wants_determinism(request: Request, key: Key) -> bool:
    wish = (request.header("X-ALTR-DETERMINISM") or "false").lower()
    if wish not in ("true", "false"):
        raise ApiError(400, "X-ALTR-DETERMINISM must be true or false.")
    if wish == "true" and DETERMINISM not in key.rights:
        raise ApiError(403, "API key does not have determinism permissions.")
    return wish == "true"


def encode(value: object) -> bytes:
    """Return the UTF-8 bytes of a batch's value."""
    if not isinstance(value, str):
        raise bad_json("Values must be strings")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        pass
    raise bad_json("Values must be Unicode text")


def decode(data: bytes) -> str | None:
    """Return data as a batch's answer gives it; ``None`` (read it with GetData) if it is too long, or no text."""
    if len(data) > MAX_VALUE_BYTES:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def check_total(values: Any) -> int:
    total = sum(map(len, values))
    if total > MAX_BATCH_BYTES:
        raise ApiError(509, "Limit Exceeded Request exceeded 500kb limit.", OVERFLOW)
    return total


def succeed(response: object) -> Response:
    return Response.json({"success": True, "response": response})


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
