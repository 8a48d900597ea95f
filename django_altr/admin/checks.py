"""System checks of the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import EmptyFieldListFilter, filters
from django.contrib.admin.sites import all_sites
from django.core.checks import CheckMessage, Tags, Warning, register

from ..fields.writes import tokenized_fields
from .options import TokenizedAdminMixin
from .references import tokenized_path

__all__ = ["check_admins"]


@register(Tags.admin)
def check_admins(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of admin classes that would show plaintext, and of filters that cannot work."""
    admins = [admin for site in all_sites for admin in site._registry.values()]
    return [*_without_mixin(admins), *_useless_filters(admins)]


def _without_mixin(admins: list[Any]) -> list[CheckMessage]:
    return [
        Warning(
            f"{model_admin.__class__.__name__} shows the model {model._meta.label}, which has tokenized fields, "
            f"without {TokenizedAdminMixin.__name__}: its lists and read-only fields show plaintext to everybody "
            f"who may see the objects.",
            hint="Put django_altr.admin.TokenizedAdminMixin first among its base classes.",
            obj=model_admin.__class__,
            id="altr.W201",
        )
        for admin in admins
        for model_admin, model in _unmasked(admin)
    ]


def _useless_filters(admins: list[Any]) -> list[CheckMessage]:
    return [
        Warning(
            f"list_filter of {admin.__class__.__name__} names {path!r}, a tokenized field: Django's filter lists its "
            f"reference tokens, and what is chosen there finds nothing.",
            hint=f'Write ("{path}", admin.EmptyFieldListFilter), or a filter class of your own.',
            obj=admin.__class__,
            id="altr.W202",
        )
        for admin in admins
        for path, kind in map(_path_and_class, admin.list_filter)
        if tokenized_path(admin.model, path) and not _knows_better(kind)
    ]


def _path_and_class(entry: Any) -> tuple[Any, Any]:
    return tuple(entry) if isinstance(entry, list | tuple) and len(entry) == 2 else (entry, None)


def _knows_better(kind: Any) -> bool:
    """Whether the filter class was written for something that Django's filters of field values are not."""
    return kind is not None and (issubclass(kind, EmptyFieldListFilter) or kind.__module__ != filters.__name__)


def _unmasked(admin: Any) -> Iterator[tuple[Any, Any]]:
    """Give the parts of a registered admin that need the mixin and lack it, each with its model."""
    inlines = [inline(admin.model, admin.admin_site) for inline in admin.inlines if isinstance(inline, type)]
    needing = [inline for inline in inlines if tokenized_fields(inline.model)]
    if not isinstance(admin, TokenizedAdminMixin):
        if tokenized_fields(admin.model):
            yield admin, admin.model
        elif needing:
            yield admin, needing[0].model
    for inline in needing:
        if not isinstance(inline, TokenizedAdminMixin):
            yield inline, inline.model
