"""The one module that reads ``settings.ALTCRAFT``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django_altr.http import location_problem

from .exceptions import AltcraftNotConfigured

__all__ = ["DEFAULT_ALIAS", "OPTIONS", "configured", "problems_of"]

DEFAULT_ALIAS = "default"

KEYS = frozenset({"URL", "TOKEN", "OPTIONS"})


@dataclass(frozen=True)
class Option:
    """One entry of ``OPTIONS``: its default, and what it must be."""

    default: Any
    accepts: Callable[[Any], bool]
    expects: str


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SECONDS = Option(None, lambda value: _is_number(value) and 0 < value <= 3600, "a number of seconds, over 0")
_COUNT = Option(
    None, lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100, "0 to 100"
)
_FLAG = Option(None, lambda value: isinstance(value, bool), "True or False")
_PATH = Option(None, lambda value: value is None or (isinstance(value, str) and value != ""), "the path of a PEM file")


def _option(like: Option, default: Any) -> Option:
    return Option(default, like.accepts, like.expects)


OPTIONS: dict[str, Option] = {
    #: For one try: seconds to connect, and seconds between two bytes of the answer.
    "connect_timeout": _option(_SECONDS, 5.0),
    "timeout": _option(_SECONDS, 60.0),
    #: For one call with all its tries and pauses, in seconds.
    "budget": _option(_SECONDS, 180.0),
    #: Tries after the first one.
    "retries": _option(_COUNT, 5),
    #: The pauses before them: 1, 2, 4, ... times this, in seconds.
    "backoff_factor": _option(Option(None, lambda value: _is_number(value) and 0 <= value <= 60, "0 to 60"), 0.5),
    #: Send the API token as ``Authorization: Bearer``, not in the body.
    "bearer": _option(_FLAG, False),
    #: CAs to trust instead of the environment's or certifi's.
    "ca_bundle": _option(_PATH, None),
}


def problems_of(alias: str, params: object) -> list[str]:
    """Return what is wrong with an entry of ``settings.ALTCRAFT``, a sentence each; values are not repeated."""
    if not isinstance(params, Mapping):
        return [f"ALTCRAFT[{alias!r}] must be a dictionary with URL and TOKEN."]
    problems = [f"{name!r} is unknown; known are URL, TOKEN and OPTIONS." for name in params if name not in KEYS]
    if problem := location_problem(params.get("URL")):
        problems.append(f"URL {problem}")
    token = params.get("TOKEN")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        problems.append("TOKEN must be the API token, which is made in Altcraft under Settings - Tokens.")
    problems += _option_problems(params.get("OPTIONS") or {})
    return [f"ALTCRAFT[{alias!r}]: {problem}" for problem in problems]


def _option_problems(options: Mapping[str, Any]) -> list[str]:
    unknown = [name for name in options if name not in OPTIONS]
    return [f"the option {name!r} is unknown; known are {', '.join(OPTIONS)}." for name in unknown] + [
        f"the option {name!r} must be {OPTIONS[name].expects}."
        for name, value in options.items()
        if name in OPTIONS and not OPTIONS[name].accepts(value)
    ]


def configured() -> dict[str, Any]:
    """Return ``settings.ALTCRAFT``, or raise ``AltcraftNotConfigured`` where it is missing or no dictionary."""
    from django.conf import settings

    entries = getattr(settings, "ALTCRAFT", None)
    if not isinstance(entries, dict) or not entries:
        raise AltcraftNotConfigured(
            'The setting ALTCRAFT must be a dictionary, for example ALTCRAFT = {"default": {"URL": '
            '"https://ru.altkraft.com", "TOKEN": os.environ["ALTCRAFT_TOKEN"]}}.'
        )
    return entries
