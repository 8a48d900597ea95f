"""Plaintext as text: for people to read, and for an input to take."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.utils import formats
from django.utils.hashable import make_hashable
from django.utils.translation import gettext as _

from ..fields import TokenizedField

__all__ = ["display_text", "export_text", "input_text"]


def display_text(field: TokenizedField, value: Any) -> str:
    """Return the value as a person reads it."""
    if value is None or value == "":
        return _("empty")
    if field.flatchoices:
        return str(dict(make_hashable(field.flatchoices)).get(make_hashable(value), value))
    if isinstance(field.base_field, models.JSONField):
        return json.dumps(value, cls=field.base_field.encoder, indent=2, ensure_ascii=False)
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex(" ")
    return str(formats.localize(value, use_l10n=True)) if not isinstance(value, str) else value


def input_text(field: TokenizedField, value: Any) -> str | None:
    """Return the value as the input of a form holds it, ``None`` if it takes no text."""
    formfield = field.base_field.formfield()
    if formfield is None:
        return None
    shown = formfield.widget.format_value(formfield.prepare_value(value))
    return shown if isinstance(shown, str) else None


def export_text(field: TokenizedField, value: Any) -> str:
    """Return the value as a cell of a CSV file, never as a formula."""
    if value is None:
        return ""
    if isinstance(field.base_field, models.JSONField):
        text = json.dumps(value, cls=field.base_field.encoder, ensure_ascii=False)
    elif isinstance(value, bytes | memoryview):
        text = bytes(value).hex()
    else:
        text = str(value)
    # A spreadsheet would run a text that begins so; an apostrophe before it makes it text.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and isinstance(value, str) else text
