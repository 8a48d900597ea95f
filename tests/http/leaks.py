"""Search everything that an error report could show for a canary."""

from __future__ import annotations

import base64
import json
import traceback
import urllib.parse
from collections.abc import Iterator
from types import TracebackType

__all__ = ["leaks_of"]


def leaks_of(error: BaseException, canary: str) -> list[str]:
    """Return where the canary (or its usual encodings) shows: message, args, attributes, causes, local variables.

    The frames of the tests themselves hold it by right and are left out.
    """
    needles = {
        canary,
        json.dumps(canary)[1:-1],
        urllib.parse.quote(canary),
        base64.b64encode(canary.encode()).decode().rstrip("="),
        canary.encode().hex(),
    }
    return [where for where, text in _sights(error) if any(needle in text for needle in needles)]


def _sights(error: BaseException) -> Iterator[tuple[str, str]]:
    for cause in _chain(error):
        name = type(cause).__name__
        yield f"{name}: text", f"{cause} {cause!r} {cause.args!r} {vars(cause)!r}"
        yield f"{name}: notes", repr(getattr(cause, "__notes__", ""))
        yield from _locals(cause.__traceback__)
        lines = traceback.TracebackException.from_exception(cause, capture_locals=False).format()
        yield f"{name}: traceback", "".join(line for line in lines if "/tests/" not in line)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__]


def _locals(tb: TracebackType | None) -> Iterator[tuple[str, str]]:
    while tb is not None:
        code = tb.tb_frame.f_code
        if "/tests/" not in code.co_filename:
            for name, value in tb.tb_frame.f_locals.items():
                yield f"{code.co_qualname}: {name}", _shown(value)
        tb = tb.tb_next


def _shown(value: object) -> str:
    """Show a value as error reports do: its repr, and one level of what it holds."""
    inside = vars(value) if hasattr(value, "__dict__") else ""
    return f"{value!r} {inside!r}"
