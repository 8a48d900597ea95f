"""System checks of the mappings and of ``settings.ALTCRAFT``; each id has a section in the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from .conf import configured, problems_of
from .exceptions import AltcraftNotConfigured
from .mapping import MATCHING, ProfileMapping, registry, walk

__all__ = ["check_mappings", "check_settings", "register"]

#: The API token that the sandbox has unless told otherwise (``django_altr.sandbox``, which is an extra).
SANDBOX_TOKEN = "sandbox-token"  # noqa: S105


def register() -> None:
    checks.register(check_settings, "altcraft")
    checks.register(check_mappings, "altcraft")


def _error(obj: Any, number: int, message: str, hint: str) -> checks.Error:
    return checks.Error(message, hint=hint, obj=obj, id=f"altr.E{number}")


def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check ``settings.ALTCRAFT``. Asked for only where a mapping is registered."""
    if not len(registry):
        return []
    try:
        entries = configured()
    except AltcraftNotConfigured as error:
        return [_error("settings.ALTCRAFT", 301, str(error), "The API token is made in Altcraft: Settings - Tokens.")]
    problems = [problem for alias, params in entries.items() for problem in problems_of(alias, params)]
    return [
        *(_error("settings.ALTCRAFT", 301, each, "See the documentation of the setting.") for each in problems),
        *(_sandbox_token(alias) for alias, params in entries.items() if _has_sandbox_token(params)),
    ]


def _has_sandbox_token(params: Any) -> bool:
    return not settings.DEBUG and isinstance(params, dict) and params.get("TOKEN") == SANDBOX_TOKEN


def _sandbox_token(alias: str) -> checks.Warning:
    return checks.Warning(
        f"ALTCRAFT[{alias!r}] has the sandbox's API token, and DEBUG is off.",
        hint="Everybody knows this token: use one that was made in Altcraft.",
        obj="settings.ALTCRAFT",
        id="altr.W301",
    )


def check_mappings(**kwargs: Any) -> list[checks.CheckMessage]:
    """Check every registered mapping."""
    return [problem for mapping in registry for problem in check_mapping(mapping)]


def check_mapping(mapping: ProfileMapping) -> list[checks.CheckMessage]:
    return [*_numbers(mapping), *_sources(mapping), *_matching(mapping), *_surroundings(mapping)]


def _numbers(mapping: ProfileMapping) -> Iterator[checks.CheckMessage]:
    if not _is_id(getattr(mapping, "db_id", None)):
        yield _error(mapping, 302, "db_id must be the number of the database in Altcraft.", "Set db_id.")
    if mapping.resource_id is not None and not _is_id(mapping.resource_id):
        yield _error(mapping, 302, "resource_id must be the number of a resource.", "Set it, or leave it out.")


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _sources(mapping: ProfileMapping) -> Iterator[checks.CheckMessage]:
    if not mapping.fields:
        yield _error(mapping, 303, "The mapping has no fields.", 'Write fields = {"email": "email", ...}.')
    named = [(f"fields[{name!r}]", source) for name, source in mapping.fields.items()]
    named += [("reads", source) for source in mapping.reads]
    named += [("consent", mapping.consent), ("modified", mapping.modified)]  # type: ignore[list-item]
    for place, source in named:
        if source is None or (callable(source) and place != "modified"):
            continue
        if not isinstance(source, str):
            yield _error(mapping, 303, f"{place} must be the name of a model field.", "Or a callable of the row.")
        elif not _leads_to_a_field(mapping, source):
            message = f"{place} names {source!r}, which is no field of {mapping.label}."
            yield _error(mapping, 303, message, "Name a field, or give a callable that takes the row.")


def _leads_to_a_field(mapping: ProfileMapping, path: str) -> bool:
    try:
        return bool(list(walk(mapping.model, path)))
    except (FieldDoesNotExist, AttributeError):
        return False


def _matching(mapping: ProfileMapping) -> Iterator[checks.CheckMessage]:
    if mapping.matching not in MATCHING:
        message = f"matching = {mapping.matching!r} is unknown; known are {', '.join(map(repr, MATCHING))}."
        yield _error(mapping, 304, message, 'Match by "email" where the addresses are unique.')
    elif mapping.matching == "custom" and not mapping.matching_field:
        yield _error(mapping, 304, 'matching = "custom" needs matching_field.', "Name the profile field to match by.")
    elif mapping.matching_key not in mapping.fields:
        message = f"The matching field {mapping.matching_key!r} is not mapped: no profile could be found by it."
        yield _error(mapping, 305, message, f'Add "{mapping.matching_key}" to fields.')


def _surroundings(mapping: ProfileMapping) -> Iterator[checks.CheckMessage]:
    if isinstance(mapping.model._meta.pk, getattr(models, "CompositePrimaryKey", ())):
        yield _error(mapping, 306, "A model with a composite primary key cannot be delivered.", "Use a surrogate key.")
    if mapping.on_change and not (find_spec("django.tasks") or find_spec("django_tasks")):
        hint = "pip install 'django-altr[altcraft]', or Django 6.0."
        yield _error(mapping, 307, "on_change = True needs Django's Tasks, which are not installed.", hint)
    try:
        aliases = configured()
    except AltcraftNotConfigured:
        return
    if mapping.using not in aliases:
        yield _error(mapping, 308, f"using = {mapping.using!r} is no entry of settings.ALTCRAFT.", "Add the entry.")
