"""Find the call that a request asks for, and turn every failure into the API's own error answer."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Iterable

from .classic import nested_error
from .store import CapExceeded
from .wire import ApiError, Request, Response, Route

__all__ = ["Application"]

logger = logging.getLogger("django_altr.sandbox")


class Application:
    """The routes of a sandbox."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._patterns: dict[re.Pattern[str], dict[str, Route]] = {}
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        if ":" in route.path:
            pattern = re.compile(re.sub(r":\w+", "(?P<token>[^/]+)", route.path))
            self._patterns.setdefault(pattern, {})[route.method] = route
        else:
            self._fixed.setdefault(route.path.rstrip("/"), {})[route.method] = route

    def find(self, request: Request) -> Route:
        """Return the route of a request and set its ``token``; one that answers 404 or 405 if there is none."""
        methods = self._methods(request)
        if methods is None:
            return refusal(request, ApiError(404, "There is no such resource."))
        if request.method not in methods:
            allowed = {"Allow": ", ".join(sorted(methods))}
            return refusal(request, ApiError(405, "The method is not allowed for this resource.", allowed))
        return methods[request.method]

    def _methods(self, request: Request) -> dict[str, Route] | None:
        if fixed := self._fixed.get(request.path.rstrip("/")):
            return fixed
        for pattern, methods in self._patterns.items():
            if match := pattern.fullmatch(request.path):
                request.token = match["token"]
                return methods
        return None


def answer(route: Route, request: Request) -> Response:
    """Return a route's answer; never raises."""
    try:
        return route.handler(request)
    except ApiError as error:
        return refuse(route, error)
    except CapExceeded:
        return refuse(route, ApiError(400, "Organization data cap exceeded"))
    except sqlite3.Error as error:
        logger.error("The store failed: %s", error)
    except Exception as error:
        # The type alone: the message may quote the request.
        logger.error("%s %s failed: %s", route.method, route.path, type(error).__name__)
    return refuse(route, ApiError(503, "Unable to process request at this time."))


def refuse(route: Route, error: ApiError) -> Response:
    return Response.json(route.error_body(error), error.status, error.headers)


def refusal(request: Request, error: ApiError) -> Route:
    def handler(request: Request) -> Response:
        raise error

    return Route(request.method, "?", handler, nested_error)
