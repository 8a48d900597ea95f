"""What an error report shows of an exception: messages, attributes, causes, and the local variables of every frame."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pprint import pformat
from types import TracebackType

from django_altr import vaults

from .canary import Canary

__all__ = ["leaks_in"]

#: Files whose frames are ours to keep clean, with what runs below them.
OURS = ("/django_altr/", "/requests/", "/urllib3/", "/http/client.py", "/concurrent/futures/")


def leaks_in(error: BaseException, *canaries: Canary, everywhere: bool = False) -> list[str]:
    """Return where the error shows a canary; ``everywhere`` looks into Django's own frames, too."""
    sights = [sight for cause in _chain(error) for sight in _sights(cause, everywhere)]
    return [where for where, text in sights if any(canary.found_in(text) for canary in canaries)]


def _sights(cause: BaseException, everywhere: bool) -> Iterator[tuple[str, str]]:
    name = type(cause).__name__
    yield f"{name}: text", f"{cause} {cause!r} {cause.args!r} {pformat(vars(cause))}"
    yield f"{name}: notes", repr(getattr(cause, "__notes__", ""))
    yield f"{name}: traceback", "".join(traceback.format_exception(cause))
    yield from _locals(cause.__traceback__, everywhere)


def _locals(tb: TracebackType | None, everywhere: bool) -> Iterator[tuple[str, str]]:
    while tb is not None:
        code = tb.tb_frame.f_code
        if "/tests/" not in code.co_filename and (everywhere or any(part in code.co_filename for part in OURS)):
            for name, value in tb.tb_frame.f_locals.items():
                yield f"{code.co_qualname}: {name}", _shown(value)
        tb = tb.tb_next


def _shown(value: object) -> str:
    """Show a value as error reports do; and one level of what it holds, as some do."""
    # The handler has settings.ALTR, which every process holds in plain sight.
    inside = vars(value) if hasattr(value, "__dict__") and value is not vaults else ""
    return f"{pformat(value)} {pformat(inside)}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__]
            waiting += getattr(cause, "exceptions", ())
