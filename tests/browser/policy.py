"""What the live server adds to every answer, and one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'"

#: The threads of the live server share one connection to an in-memory database, and with it its transactions.
at_work = threading.RLock()


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def answer(request: HttpRequest) -> HttpResponse:
        with at_work:
            response = get_response(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return answer
