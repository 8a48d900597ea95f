"""Look into a sandbox in another process, and make it misbehave: plain JSON under ``/_sandbox/``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .classic import nested_error
from .wire import ApiError, Request, Response, Route, parse_batch

if TYPE_CHECKING:
    from .service import Sandbox

__all__ = ["PREFIX", "Control"]

PREFIX = "/_sandbox/"


class Control:
    """The control calls of a sandbox. They ask for no key: they are off unless asked for."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        calls = [
            ("GET", "requests", self.requests),
            ("POST", "misbehave", self.misbehave),
            ("POST", "clock", self.set_clock),
            ("POST", "reset", self.reset),
        ]
        return [Route(method, PREFIX + path, handler, nested_error) for method, path, handler in calls]

    def requests(self, request: Request) -> Response:
        records = self._sandbox.requests
        answer = {
            "connections": self._sandbox.connections,
            "counts": self._sandbox.counts,
            "requests": [asdict(record) for record in records],
        }
        return Response.json(answer)

    def misbehave(self, request: Request) -> Response:
        self._try(lambda fault: self._sandbox.misbehave(**fault), request)
        return Response.json({"success": True})

    def set_clock(self, request: Request) -> Response:
        def change(options: dict[str, Any]) -> None:
            self._sandbox.clock_offset = float(options["offset"])

        self._try(change, request)
        return Response.json({"success": True})

    def reset(self, request: Request) -> Response:
        self._try(lambda options: self._sandbox.reset(**options), request)
        return Response.json({"success": True})

    @staticmethod
    def _try(change: Any, request: Request) -> None:
        options = parse_batch(request, 100) if request.body else {}
        try:
            change(options)
            return
        except (TypeError, ValueError, LookupError) as error:
            reason = str(error)
        raise ApiError(400, reason)
