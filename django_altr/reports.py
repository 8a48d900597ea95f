"""Error reports without plaintext: Django's error page and mails, and the events of Sentry.

django-altr's own frames show nothing. Those of Django do, where plaintext is an argument: ``create(name="...")``,
``filter(iban="...")``, a form's ``cleaned_data``; and so do the project's own variables and the POST data. Here they
are masked by name: everything that is called like a tokenized field, and all variables of Django's models and forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import FrameType
from typing import Any

from django.apps import apps
from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter

from .fields import TokenizedField
from .masks import MASK

__all__ = ["ReporterFilter", "scrub_event"]

#: Modules in whose frames every variable may hold plaintext.
HIDDEN_MODULES = ("django.db.models", "django.forms", "django.core.validators", "rest_framework")
#: How deep dictionaries and lists are searched.
MAX_DEPTH = 4


class ReporterFilter(SafeExceptionReporterFilter):
    """``DEFAULT_EXCEPTION_REPORTER_FILTER = "django_altr.reports.ReporterFilter"``; also with DEBUG on."""

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        return _masked_query(super().get_post_parameters(request))

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        module = tb_frame.f_globals.get("__name__") or ""
        return list(_scrub_frame(module, dict(variables)).items())


def scrub_event(event: dict[str, Any], hint: Any = None) -> dict[str, Any]:
    """``sentry_sdk.init(before_send=scrub_event)``: mask plaintext in the frames and the request of an event."""
    for error in _dig(event, "exception", "values") or ():
        for frame in _dig(error, "stacktrace", "frames") or ():
            if isinstance(frame.get("vars"), dict):
                frame["vars"] = _scrub_frame(frame.get("module") or "", frame["vars"])
    if isinstance(event.get("request"), dict):
        event["request"] = _scrub(event["request"])
    return event


def _dig(found: Any, *keys: str) -> Any:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _scrub_frame(module: str, variables: dict[str, Any]) -> dict[str, Any]:
    if module.startswith(HIDDEN_MODULES):
        return dict.fromkeys(variables, MASK)
    masked: dict[str, Any] = _scrub(variables)
    return masked


def _scrub(value: Any, depth: int = 0) -> Any:
    if depth == MAX_DEPTH:
        return value if isinstance(value, int | float | None) else MASK
    if isinstance(value, QueryDict):
        return _masked_query(value)
    if isinstance(value, dict):
        return {key: MASK if _is_tokenized(key) else _scrub(each, depth + 1) for key, each in value.items()}
    if type(value) in (list, tuple):
        if len(value) == 2 and _is_tokenized(value[0]):  # an item of a dictionary, a condition of a query
            return [value[0], MASK]
        return type(value)(_scrub(each, depth + 1) for each in value)
    return value


def _masked_query(query: Mapping[str, Any]) -> Any:
    if not isinstance(query, QueryDict):
        return _scrub(dict(query))
    masked = query.copy()
    for name in masked:
        if _is_tokenized(name):
            masked[name] = MASK
    return masked


def _is_tokenized(name: object) -> bool:
    """Tell whether a name is a tokenized field's, also in a condition (``iban__in``) or formset (``form-0-iban``)."""
    return isinstance(name, str) and not names_of_tokenized_fields().isdisjoint(name.replace("-", "__").split("__"))


@lru_cache(maxsize=1)
def names_of_tokenized_fields() -> frozenset[str]:
    """Return the names of all tokenized fields of the project."""
    return frozenset(_names())


def _names() -> Iterable[str]:
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, TokenizedField):
                yield field.name
