"""Faults on demand: what a vault, or the network before it, may do to a client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .classic import nested_error
from .wire import ApiError, Request, Response, Route, dump

__all__ = ["CORRUPTIONS", "DROPS", "Fault", "Faults", "Plan", "matches"]

#: When the connection is lost: before the request is handled (nothing is stored); after it, without an answer;
#: in the middle of the answer; after the whole answer, without having announced it.
DROPS = ("before", "lost", "middle", "after")


@dataclass(eq=False)
class Fault:
    """One way to misbehave.

    ``route`` limits it to requests that ``matches``; ``skip`` lets the first matching requests pass; ``times`` is how
    often it happens then (``None``: until it is removed). ``latency`` is seconds before the request is handled,
    ``drip`` seconds for each byte of the answer. ``status``, ``body`` and ``headers`` answer in place of the vault,
    which does not see the request. ``drop`` is one of ``DROPS``, ``corrupt`` one of ``CORRUPTIONS``.
    """

    route: str | None = None
    times: int | None = None
    skip: int = 0
    latency: float = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes | None = None
    drop: str | None = None
    drip: float = 0
    corrupt: str | None = None

    def __post_init__(self) -> None:
        if self.drop not in (None, *DROPS):
            raise ValueError(f"drop is one of: {', '.join(DROPS)}.")
        if self.corrupt not in (None, *CORRUPTIONS):
            raise ValueError(f"corrupt is one of: {', '.join(CORRUPTIONS)}.")
        if self.body is not None and self.status is None:
            self.status = 200

    @property
    def decides(self) -> bool:
        """Whether it settles the outcome; a fault that only slows things down goes together with others."""
        return bool(self.status or self.drop or self.corrupt)

    def response(self) -> Response | None:
        """Return the answer that takes the place of the vault's."""
        if self.status is None:
            return None
        if self.body is None:
            error = ApiError(self.status, "The sandbox was told to misbehave.")
            return Response.json(nested_error(error), self.status, self.headers)
        body = self.body if isinstance(self.body, bytes) else self.body.encode()
        return Response(self.status, body, {"Content-Type": "application/json", **self.headers})


@dataclass
class Plan:
    """What the faults make of one request."""

    latency: float = 0
    drip: float = 0
    fault: Fault | None = None

    @property
    def drop(self) -> str | None:
        return self.fault.drop if self.fault else None

    def replacement(self) -> Response | None:
        return self.fault.response() if self.fault else None

    def corrupted(self, response: Response) -> Response:
        return CORRUPTIONS[self.fault.corrupt](response) if self.fault and self.fault.corrupt else response


class Faults:
    """The faults that are in force. Safe to share among threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._faults = [other for other in self._faults if other is not fault]

    def clear(self) -> None:
        with self._lock:
            self._faults = []

    def plan(self, request: Request, route: Route) -> Plan:
        """Take the faults of a request: every delay, and the first that decides the outcome."""
        plan = Plan()
        if not self._faults:
            return plan
        with self._lock:
            for fault in self._faults:
                if (fault.decides and plan.fault) or not _meant(fault, request, route) or not _take(fault):
                    continue
                plan.latency += fault.latency
                plan.drip += fault.drip
                if fault.decides:
                    plan.fault = fault
        return plan


def _take(fault: Fault) -> bool:
    if fault.skip > 0:
        fault.skip -= 1
        return False
    if fault.times is None:
        return True
    fault.times -= 1
    return fault.times >= 0


def _meant(fault: Fault, request: Request, route: Route) -> bool:
    return matches(fault.route, request.method, route.path) or matches(fault.route, request.method, request.path)


def matches(wanted: str | None, method: str, path: str) -> bool:
    """Tell whether ``"PUT"``, ``"PUT /api/v1/batch"``, ``"/api/v1/batch"`` or ``None`` (all) means a request."""
    if wanted is None:
        return True
    wanted_method, slash, wanted_path = wanted.partition("/")
    return wanted_method.strip() in ("", method) and (not slash or _plain(slash + wanted_path) == _plain(path))


def _plain(path: str) -> str:
    return path.rstrip("/")


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Response], Response]:
    """Return a corruption that changes the answer's JSON object (v2: its data)."""

    def corrupt(response: Response) -> Response:
        try:
            answer = json.loads(response.body)
        except ValueError:  # GetData
            return response
        payload = answer
        for name in ("response", "data"):
            payload = payload[name] if isinstance(payload.get(name), dict) else payload
        if payload:
            change(payload)
        return Response(response.status, dump(answer), response.headers)

    return corrupt


def _wrong_hash(response: Response) -> Response:
    return Response(response.status, response.body, {**response.headers, "X-Expected-Hash": "0" * 32})


def _swap(batch: dict[str, Any]) -> None:
    values = list(batch.values())
    batch.update(zip(batch, values[1:] + values[:1], strict=True))


#: Ways in which a successful answer can be wrong.
CORRUPTIONS: dict[str, Callable[[Response], Response]] = {
    "hash": _wrong_hash,
    "half": lambda response: Response(response.status, response.body[: len(response.body) // 2], response.headers),
    "null": _edit(lambda batch: batch.update({next(iter(batch)): None})),
    "missing": _edit(lambda batch: batch.pop(next(iter(batch)))),
    "extra": _edit(lambda batch: batch.update({"unasked": "extra"})),
    "number": _edit(lambda batch: batch.update({next(iter(batch)): 1})),
    "swapped": _edit(_swap),
    "list": lambda response: Response(response.status, b"[]", response.headers),
    "empty": lambda response: Response(response.status, b"", response.headers),
    "html": lambda response: Response(response.status, b"<html>Hello</html>", {"Content-Type": "text/html"}),
}
