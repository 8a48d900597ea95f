"""Mask what a change form, with its inlines, is about to show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.db import models

from ..fields.cells import ValueToken
from ..fields.writes import tokenized_fields
from ..forms import MaskedField
from ..masks import MASK
from .references import Page, ReadonlyReference, replaced, tokenized_path

__all__ = ["mask"]


def mask(context: dict[str, Any], page: Page) -> None:
    """Mask the form and the inlines in the context of the change form's template."""
    adminform = context["adminform"]
    _link([adminform.form], page)
    _replace(adminform, adminform.form._meta.model, adminform.readonly_fields, page)
    for inline in context["inline_admin_formsets"]:
        _link(inline.formset.forms, page)
        _mask_inline(inline, page)


def _link(forms: Iterable[Any], page: Page) -> None:
    for form in forms:
        for field in form.fields.values():
            if isinstance(field, MaskedField):
                field.widget.page = page


def _mask_inline(inline: Any, page: Page) -> None:
    model = inline.opts.model
    if inline.has_change_permission:
        _replace(inline, model, inline.readonly_fields, page)
    elif not inline.has_add_permission:
        _replace(inline, model, [*inline.readonly_fields, *flatten_fieldsets(inline.fieldsets)], page)
    else:
        # The fields of the stored objects are read-only, those of new ones are not: the same names stand for both.
        for form in inline.formset.initial_forms:
            _mask_cells(form.instance)
        _replace(inline, model, inline.readonly_fields, page)


def _replace(owner: Any, model: type[models.Model], readonly: Iterable[Any], page: Page) -> None:
    """Replace the names of read-only tokenized fields by callables that show a reference."""
    shown = {
        name: ReadonlyReference(name, field, page)
        for name in readonly
        if isinstance(name, str) and (field := tokenized_path(model, name))
    }
    owner.readonly_fields = replaced(owner.readonly_fields, lambda name: shown.get(name, name))
    owner.fieldsets = [
        (title, {**options, "fields": replaced(options["fields"], lambda name: shown.get(name, name))})
        for title, options in owner.fieldsets
    ]


def _mask_cells(obj: models.Model) -> None:
    for field in tokenized_fields(type(obj)):
        if cell := getattr(obj, field.attname):
            obj.__dict__[field.attname] = ValueToken(str(cell), field, "", MASK)
