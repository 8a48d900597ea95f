"""ALTR's current services: Vaulted (under ``/api/v2``) and Critical (under ``/v2``) tokenization."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .auth import DEREFERENCE, READ, WRITE, Keyring
from .classic import encode, wants_determinism
from .store import Store
from .wire import ApiError, Request, Response, Route, parse_batch

__all__ = ["CRITICAL", "VAULTED", "RateLimit", "Service", "Tokenization"]


@dataclass(frozen=True)
class Service:
    """What sets the two services apart."""

    base: str
    prefix: str
    deterministic_prefix: str
    max_values: int
    #: The length of a value, and the first length that is refused.
    length: Callable[[str], int]
    limit: int
    unit: str
    #: Whether a delete passes over values that are no tokens.
    lenient_delete: bool

    def new_token(self) -> str:
        return f"{self.prefix}_{random_letters()}"

    def new_deterministic_token(self) -> str:
        return f"{self.deterministic_prefix}_{random_letters()}"

    def is_token(self, value: object) -> bool:
        pattern = rf"(?:{self.prefix}|{self.deterministic_prefix})_[A-Za-z0-9]{{64}}"
        return isinstance(value, str) and bool(re.fullmatch(pattern, value))


VAULTED = Service("/api/v2", "vaultn", "vaultd", 4096, len, 1024, "characters", lenient_delete=False)
CRITICAL = Service("/v2", "token", "token", 1024, lambda text: len(encode(text)), 128, "bytes", lenient_delete=True)


def random_letters() -> str:
    # Both cases on purpose: a column whose collation ignores case shows here, and not in production.
    return base64.b64encode(secrets.token_bytes(48), b"Qz").decode("ascii")


def flat_error(error: ApiError) -> object:
    return {"success": False, "error": error.message}


class RateLimit:
    """At most so many requests in any second."""

    def __init__(self, limit: int) -> None:
        self._times: deque[float] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def take(self) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._times) == self._times.maxlen and now - self._times[0] < 1:
                raise ApiError(429, "Too many requests.", {"Retry-After": "1"})
            self._times.append(now)


class Tokenization:
    """The calls of one of the services over a store."""

    def __init__(self, service: Service, store: Store, keys: Keyring, rate_limit: RateLimit | None = None) -> None:
        self._service, self._store, self._keys, self._rate_limit = service, store, keys, rate_limit

    def routes(self) -> list[Route]:
        calls = [
            ("POST", "/batch", self.tokenize),
            ("PUT", "/batch", self.detokenize),
            ("PUT", "/batch/partial", self.detokenize_partially),
            ("PUT", "/batch/delete", self.delete),
        ]
        return [Route(method, self._service.base + path, handler, flat_error) for method, path, handler in calls]

    def tokenize(self, request: Request) -> Response:
        key = self._authorize(request, WRITE)
        deterministic = wants_determinism(request, key)
        values = {name: self._checked(name, value) for name, value in self._batch(request).items()}
        if deterministic:
            space, new_token = self._service.base, self._service.new_deterministic_token
            tokens = self._store.add_deterministic(space, new_token, list(values.values()))
        else:
            tokens = self._store.add_many(self._service.new_token, list(values.values()))
        return succeed(dict(zip(values, tokens, strict=True)))

    def detokenize(self, request: Request) -> Response:
        self._authorize(request, READ)
        batch = self._batch(request)
        texts = self._read(batch)
        self._refuse_others([name for name in batch if name not in texts])
        return succeed(texts)

    def detokenize_partially(self, request: Request) -> Response:
        self._authorize(request, READ)
        batch = self._batch(request)
        return succeed(batch | self._read(batch))

    def delete(self, request: Request) -> Response:
        self._authorize(request, DEREFERENCE)
        batch = self._batch(request)
        tokens = {name: value for name, value in batch.items() if self._service.is_token(value)}
        if not self._service.lenient_delete:
            self._refuse_others([name for name in batch if name not in tokens])
        self._store.delete_many(set(tokens.values()))
        return succeed({})

    def _authorize(self, request: Request, right: str) -> Any:
        if self._rate_limit:
            self._rate_limit.take()
        return self._keys.authorize_basic(request, right, f"API key does not have {right} permissions.")

    def _batch(self, request: Request) -> dict[str, Any]:
        return parse_batch(request, self._service.max_values)

    def _checked(self, name: str, value: object) -> bytes:
        data = encode(value)
        if isinstance(value, str) and self._service.length(value) >= self._service.limit:
            raise ApiError(400, f"The value of {name!r} must be under {self._service.limit} {self._service.unit}.")
        return data

    def _read(self, batch: dict[str, Any]) -> dict[str, str]:
        """Return the text of those values that are tokens, by name."""
        tokens = {name: value for name, value in batch.items() if self._service.is_token(value)}
        found = self._store.get_many(set(tokens.values()))
        return {name: found[token].decode() for name, token in tokens.items() if token in found}

    @staticmethod
    def _refuse_others(names: list[str]) -> None:
        if names:
            raise ApiError(400, f"The values of these fields are not tokens: {', '.join(names)}")


def succeed(data: object) -> Response:
    return Response.json({"success": True, "data": data})
