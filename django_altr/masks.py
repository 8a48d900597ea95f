"""What stands on a page in the place of a plaintext."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from decimal import Decimal
from functools import singledispatch, wraps
from typing import Any
from uuid import UUID

from django.db import models

from .exceptions import AltrError

__all__ = ["MASK", "mask_repr", "mask_revealed", "masked", "masked_if_unavailable"]

#: Names that code may look for in the values of base fields.
_VALUE_TYPES = (datetime, timedelta, Decimal, UUID, dict, list, int, float)
_VALUE_NAMES = {name for each in _VALUE_TYPES for name in dir(each) if not name.startswith("_")}


class Mask(str):
    """A mask that also stands in for a date or a number: ``f"{person.born:%Y}"`` and ``person.born.year`` are masks."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Any:
        if name in _VALUE_NAMES:
            return _MaskedMember(self)
        raise AttributeError(f"A mask has no {name!r}: it stands for a value that was not revealed.")

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, int | slice) else self


class _MaskedMember(Mask):
    """An attribute or a method of a masked value."""

    __slots__ = ()
    do_not_call_in_templates = True

    def __call__(self, *args: Any, **kwargs: Any) -> Mask:
        return MASK


#: Stands for a value that was not revealed: always the same, so that it tells nothing, not even a length.
MASK = Mask("••••••••")

_masking: ContextVar[bool] = ContextVar("django_altr_masking", default=False)


@contextmanager
def masked() -> Iterator[None]:
    """Give ``MASK`` in the place of every plaintext inside the block (this thread or task only).

    For text about an object, such as ``str(obj)`` for a log: no vault is asked, and no plaintext is in it. What is
    stored must never be read in such a block.
    """
    reset = _masking.set(True)
    try:
        yield
    finally:
        _masking.reset(reset)


#: Whether plaintext attributes give the mask at the moment. (A function of its own would cost each read a call.)
is_masking: Callable[[], bool] = _masking.get


def masked_if_unavailable(method: Callable[[Any], str]) -> Callable[[Any], str]:
    """Decorate a ``__str__`` that uses tokenized fields: while the vault fails, it has masks in their place.

    Without it, a page that shows the object fails together with the vault.
    """

    @wraps(method)
    def text(self: Any) -> str:
        try:
            return method(self)
        except AltrError:
            pass
        with masked():
            return method(self)

    return text


def mask_repr(model: type[models.Model]) -> None:
    """Let ``repr(instance)`` show masks where its ``__str__`` shows plaintext: logs and error reports hold it."""
    show = model.__repr__
    if hasattr(show, "_altr_original"):
        return

    @wraps(show)
    def masked_repr(self: models.Model) -> str:
        try:
            with masked():
                return show(self)
        except Exception:  # a mask is not all that a __str__ may want of a value
            return f"<{type(self).__name__}: {self.pk}>"

    masked_repr._altr_original = show  # type: ignore[attr-defined]
    model.__repr__ = masked_repr  # type: ignore[method-assign,assignment]


@singledispatch
def mask_revealed(field: models.Field[Any, Any], value: Any) -> str:
    """Return what is left of a value on the screen after it was revealed and hidden again.

    Enough to tell two values apart, by the field's type; register a function to change it for a type of field.
    """
    return MASK


@mask_revealed.register
def _(field: models.CharField, value: Any) -> str:  # type: ignore[type-arg]
    text = str(value)
    return f"{MASK} {text[-4:]}" if len(text) >= 12 and not field.choices else MASK


@mask_revealed.register
def _(field: models.EmailField, value: Any) -> str:  # type: ignore[type-arg]
    name, at, domain = str(value).rpartition("@")
    return f"{name[:1]}{MASK}@{domain}" if at else MASK


@mask_revealed.register
def _(field: models.URLField, value: Any) -> str:  # type: ignore[type-arg]
    return MASK


@mask_revealed.register
def _(field: models.DateField, value: Any) -> str:  # type: ignore[type-arg]
    return f"{MASK} {value.year}"
