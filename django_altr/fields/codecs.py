"""Text of a base field's values: what the vault stores, and back.

A field says itself how its values are written as text: ``value_to_string`` and ``to_python``, which Django's
serializers use too. The fields registered here are those for which that is not enough.
"""

from __future__ import annotations

import base64
import json
import warnings
from datetime import UTC, datetime
from functools import cache, singledispatch
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.utils import format_number
from django.utils import timezone
from django.utils.translation import gettext_lazy

from ..masks import MASK
from ..redact import Redacted

__all__ = ["InvalidValue", "clean", "decode", "encode", "is_text"]


class InvalidValue(ValidationError, ValueError):
    """A value that its base field cannot write as text, or a text that it cannot read. Never holds the value."""


def encode(field: models.Field[Any, Any], value: Any) -> str:
    """Return the text of a value, as it is sent to the vault.

    Raises ``InvalidValue`` where the base field refuses the value.
    """
    try:
        kind: Any = type(field)
        return _checked(value if type(value) is str and is_text(kind) else _to_text(field, value))
    except Exception:  # it may hold the value: our own error is raised below, without a context
        del value
    raise InvalidValue(f"{_name(field)} cannot store this value: {type(field).__name__} does not accept it.")


def decode(field: models.Field[Any, Any], text: str) -> Any:
    """Return the value of a text that came from the vault.

    Raises ``InvalidValue`` where the base field cannot read it.
    """
    try:
        return _to_value(field, text)
    except Exception:  # as above
        del text
    raise InvalidValue(
        f"{_name(field)}: what the vault holds cannot be read as {type(field).__name__}. "
        f"It was written by something else, or the base field was changed."
    )


@cache
def is_text(kind: Any) -> bool:
    """Tell whether the values of such a field are the texts themselves, so there is nothing to encode or decode."""
    return (
        kind.to_python in (models.CharField.to_python, models.TextField.to_python)
        and kind.value_to_string is models.Field.value_to_string
        and all(codec.dispatch(kind) is codec.dispatch(models.Field) for codec in (_to_text, _to_value))
    )


def clean(field: models.Field[Any, Any], plaintext: Redacted[Any], instance: models.Model | None) -> Any:
    """Return the value as the base field converts and validates it.

    Raises ``ValidationError``, which has a mask where Django's would repeat the value.
    """
    try:
        return field.clean(plaintext.reveal(), instance)
    except ValidationError as error:
        problems = [_masked(each, plaintext) for each in error.error_list]
    except Exception:  # as above
        problems = [InvalidValue(f"{_name(field)}: {type(field).__name__} does not accept this value.")]
    raise ValidationError(problems)


def _masked(error: ValidationError, plaintext: Redacted[Any]) -> ValidationError:
    params = {name: MASK if _shows(param, plaintext) else param for name, param in (error.params or {}).items()}
    message = gettext_lazy("This value is not valid.") if _shows(error.message, plaintext) else error.message
    return ValidationError(message, code=error.code, params=params or None)


def _shows(shown: Any, plaintext: Redacted[Any]) -> bool:
    return shown is plaintext.reveal() or (len(text := str(plaintext.reveal())) > 3 and text in str(shown))


def _checked(text: str) -> str:
    if not text.isascii():
        text.encode()  # a lone surrogate is no text
    return text


def _name(field: models.Field[Any, Any]) -> str:
    return f"{field.model._meta.label}.{field.name}" if hasattr(field, "model") else str(field.name)


@singledispatch
def _to_text(field: models.Field[Any, Any], value: Any) -> str:
    holder = SimpleNamespace(**{field.attname: field.to_python(value)})
    return str(field.value_to_string(holder))  # type: ignore[arg-type]


@singledispatch
def _to_value(field: models.Field[Any, Any], text: str) -> Any:
    return field.to_python(text)


@_to_text.register
def _(field: models.JSONField, value: Any) -> str:
    if isinstance(value, models.Value):  # Value(None, JSONField()) is how Django spells JSON's null
        value = value.value
    return json.dumps(value, cls=field.encoder)


@_to_value.register
def _(field: models.JSONField, text: str) -> Any:
    return json.loads(text, cls=field.decoder)


@_to_text.register
def _(field: models.BinaryField, value: Any) -> str:  # type: ignore[type-arg]
    return base64.b64encode(bytes(value)).decode("ascii")


@_to_value.register
def _(field: models.BinaryField, text: str) -> Any:  # type: ignore[type-arg]
    return base64.b64decode(text, validate=True)


@_to_text.register
def _(field: models.DecimalField, value: Any) -> str:  # type: ignore[type-arg]
    # As the database's own adapter does: so that equal numbers have one text.
    return str(format_number(field.to_python(value), field.max_digits, field.decimal_places))


@_to_text.register
def _(field: models.DateTimeField, value: Any) -> str:  # type: ignore[type-arg]
    moment: datetime = field.to_python(value)
    if settings.USE_TZ and timezone.is_naive(moment):
        warnings.warn(
            f"{_name(field)} received a naive datetime while time zone support is active.", RuntimeWarning, stacklevel=2
        )
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return (moment.astimezone(UTC) if settings.USE_TZ else moment).isoformat()
