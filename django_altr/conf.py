"""The one module that reads ``settings.ALTR``: its defaults, its validation, and vaults written as a URL."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from .redact import Redacted

__all__ = ["DEFAULT_ALIAS", "InvalidVaultError", "Problem", "configured_vaults", "option_problems", "parse_altr_url"]

DEFAULT_ALIAS = "default"

#: What one entry of ``ALTR`` may hold.
KEYS = frozenset({"BACKEND", "LOCATION", "KEY", "SECRET", "OPTIONS"})

#: URL scheme -> backend and scheme of the LOCATION ("" where the location is only a name).
SCHEMES = {
    "altr": ("django_altr.backends.chain.ChainBackend", "https"),
    "altr+http": ("django_altr.backends.chain.ChainBackend", "http"),
    "altr-vaulted": ("django_altr.backends.vaulted.VaultedBackend", "https"),
    "altr-vaulted+http": ("django_altr.backends.vaulted.VaultedBackend", "http"),
    "altr-critical": ("django_altr.backends.critical.CriticalBackend", "https"),
    "altr-critical+http": ("django_altr.backends.critical.CriticalBackend", "http"),
    "altr-locmem": ("django_altr.backends.locmem.LocMemBackend", ""),
}


class InvalidVaultError(ImproperlyConfigured):
    """``settings.ALTR`` names no such vault, or its entry cannot be used."""


@dataclass(frozen=True)
class Option:
    """One entry of ``OPTIONS``: how to read it from a URL's query, and what it must be."""

    parse: Callable[[str], object]
    accepts: Callable[[Any], bool]
    expects: str


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike) and str(value) != ""


def _is_pattern(value: object) -> bool:
    try:
        re.compile(value)  # type: ignore[call-overload]
    except (TypeError, re.error):
        return False
    return True


_SECONDS = Option(float, lambda value: _is_number(value) and 0 < value <= 3600, "a number of seconds, over 0")
_DELAY = Option(float, lambda value: _is_number(value) and 0 <= value <= 3600, "a number of seconds, 0 or more")
_COUNT = Option(int, lambda value: _is_whole(value) and 0 <= value <= 1000, "a whole number, 0 or more")

#: Every option of every backend; a backend's ``known_options`` says which of them it takes.
OPTIONS: dict[str, Option] = {
    "timeout": _SECONDS,
    "operation_timeout": Option(
        float, lambda value: value is None or (_is_number(value) and value > 0), "a number of seconds, over 0, or None"
    ),
    "connect_timeout": _SECONDS,
    "retries": _COUNT,
    "backoff_factor": _DELAY,
    "max_retry_after": _DELAY,
    "max_workers": Option(int, lambda value: _is_whole(value) and 1 <= value <= 256, "a whole number from 1 to 256"),
    "rate_limit": Option(
        float, lambda value: value is None or (_is_number(value) and value > 0), "requests a second, over 0, or None"
    ),
    "breaker_failures": _COUNT,
    "breaker_reset": _SECONDS,
    "ca_bundle": Option(str, lambda value: isinstance(value, str) and value != "", "the path of a PEM file"),
    "token_pattern": Option(str, _is_pattern, "a regular expression"),
    "journal": Option(str, _is_path, "the path of a directory that this process may write"),
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with an entry of ``settings.ALTR``: the id of its system check, one sentence, and the remedy."""

    id: str
    text: str
    hint: str


def option_problems(options: object, known: frozenset[str]) -> list[Problem]:
    """Return what is wrong with the OPTIONS of a vault; their values are not repeated."""
    if not isinstance(options, Mapping):
        return [Problem("altr.E007", "OPTIONS is no dictionary.", "Give the options by name.")]
    unknown = [
        Problem("altr.E006", f"The option {name!r} is unknown.", f"This backend knows {', '.join(sorted(known))}.")
        for name in options
        if name not in known
    ]
    return unknown + [
        Problem("altr.E007", f"The option {name!r} has an unusable value.", f"It must be {OPTIONS[name].expects}.")
        for name, value in options.items()
        if name in known and name in OPTIONS and not OPTIONS[name].accepts(value)
    ]


def configured_vaults() -> dict[str, Any]:
    """Return ``settings.ALTR``, or raise ``InvalidVaultError`` where it is missing or no dictionary."""
    from django.conf import settings

    vaults = getattr(settings, "ALTR", None)
    if not isinstance(vaults, dict) or not vaults:
        raise InvalidVaultError(
            'The setting ALTR must be a dictionary of vaults, for example ALTR = {"default": '
            'parse_altr_url(os.environ["ALTR_URL"])}.'
        )
    return vaults


def parse_altr_url(url: str) -> dict[str, Any]:
    """Return the entry of ``settings.ALTR`` that a URL describes, for configuration by environment variable.

    ``altr://KEY:SECRET@host?timeout=5``; schemes: ``altr``, ``altr-vaulted``, ``altr-critical`` (each also with
    ``+http`` for a server on this machine) and ``altr-locmem://``. Percent-encode special characters of key and
    secret. Options go into the query string. Raises ``ImproperlyConfigured``, which never repeats the URL.
    """
    text = Redacted(url)
    # An exception's traceback keeps this frame: from here on only what shows nothing.
    del url
    parts = Redacted(_split(text))
    if parts.reveal() is None:
        raise InvalidVaultError(
            "The ALTR URL cannot be read: write scheme://KEY:SECRET@host?option=value and percent-encode key and "
            "secret (urllib.parse.quote(secret, safe=''))."
        )
    return _entry(parts)  # type: ignore[arg-type]


def _entry(parts: Redacted[SplitResult]) -> dict[str, Any]:
    if parts.reveal().scheme not in SCHEMES:  # it may be anything, the secret too
        raise InvalidVaultError(f"An ALTR URL starts with one of {', '.join(f'{name}://' for name in SCHEMES)}.")
    backend, location_scheme = SCHEMES[parts.reveal().scheme]
    host = Redacted(parts.reveal().netloc.rpartition("@")[2])
    entry = {"BACKEND": backend, "LOCATION": host.reveal()} | _query_options(parts)
    if not location_scheme:
        return entry
    if not host.reveal():
        raise InvalidVaultError("The ALTR URL has no host: write scheme://KEY:SECRET@host.")
    return entry | {
        "LOCATION": f"{location_scheme}://{host.reveal()}{parts.reveal().path.rstrip('/')}",
        "KEY": unquote(parts.reveal().username or ""),
        "SECRET": unquote(parts.reveal().password or ""),
    }


def _split(url: Redacted[str]) -> SplitResult | None:
    try:
        parts = urlsplit(url.reveal().strip())
        # A slash or hash in a secret that is not encoded ends up in the port.
        parts.port  # noqa: B018
        unquote(parts.netloc, errors="strict")
    except (AttributeError, ValueError):
        # The error repeats the secret: it ends here.
        return None
    return None if parts.fragment else parts


def _query_options(parts: Redacted[SplitResult]) -> dict[str, Any]:
    pairs = Redacted(parse_qsl(parts.reveal().query, keep_blank_values=True))
    if any(name not in OPTIONS for name, _ in pairs.reveal()):
        raise InvalidVaultError(f"The ALTR URL has an unknown option; known are {', '.join(sorted(OPTIONS))}.")
    options = {name: _parse_option(name, Redacted(text)) for name, text in pairs.reveal()}
    for name, value in options.items():
        if value is None:
            raise InvalidVaultError(f"The option {name!r} of the ALTR URL must be {OPTIONS[name].expects}.")
    return {"OPTIONS": options} if options else {}


def _parse_option(name: str, text: Redacted[str]) -> object:
    """Return the value of an option, ``None`` if it is unusable."""
    try:
        value = OPTIONS[name].parse(text.reveal())
    except ValueError:
        return None
    return value if OPTIONS[name].accepts(value) else None
