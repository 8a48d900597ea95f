"""Uniqueness of several fields, checked by reference tokens where the plaintext is not needed."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.db.models import Model
from rest_framework.validators import UniqueTogetherValidator

from django_altr.fields.cells import ValueToken, is_unloaded
from django_altr.fields.writes import tokenized_fields
from django_altr.markers import is_erased

__all__ = ["register"]


def register() -> None:
    """Keep ``UniqueTogetherValidator`` from reading the row that an update is about.

    It compares the fields that the client did not send by their values. Their tokens do as well, and may be had
    without the right to read.
    """
    check = UniqueTogetherValidator.__call__

    @wraps(check)
    def check_by_token(self: UniqueTogetherValidator, attrs: Any, serializer: Any) -> None:
        if isinstance(serializer.instance, Model):
            serializer = _Serializer(serializer)
        check(self, attrs, serializer)

    UniqueTogetherValidator.__call__ = check_by_token  # type: ignore[method-assign]


class _Serializer:
    """A serializer whose instance has tokens in place of the plaintext that is not loaded."""

    def __init__(self, serializer: Any) -> None:
        self._serializer = serializer
        self.instance = _Row(serializer.instance)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._serializer, name)


class _Row:
    def __init__(self, instance: Model) -> None:
        self._instance = instance

    def __getattr__(self, name: str) -> Any:
        for field in tokenized_fields(type(self._instance), {name}):
            cell = getattr(self._instance, field.attname)
            if is_unloaded(cell) or is_erased(cell):
                return ValueToken(cell, field)
        return getattr(self._instance, name)
