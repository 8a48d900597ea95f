"""Which serializer field a ``ModelSerializer`` makes of a tokenized field: the base type's, masked."""

from __future__ import annotations

import copy
from functools import cache, wraps
from typing import Any

from rest_framework import serializers

from django_altr.fields import TokenizedField

from .fields import TokenizedSerializerField

__all__ = ["register"]

_Built = tuple[type[Any], dict[str, Any]]


def register() -> None:
    """Let every ``ModelSerializer`` know tokenized fields.

    ``serializer_field_mapping`` would not do: Django REST framework replaces what it says where a field has choices,
    and takes the column's length for the value's.
    """
    build_standard_field = serializers.ModelSerializer.build_standard_field
    build_property_field = serializers.ModelSerializer.build_property_field

    @wraps(build_standard_field)
    def build_tokenized_field(self: Any, field_name: str, model_field: Any) -> _Built:
        if not isinstance(model_field, TokenizedField):
            return build_standard_field(self, field_name, model_field)
        field_class, kwargs = build_standard_field(self, field_name, _base_field(model_field))
        return _tokenized(field_class), kwargs  # type: ignore[arg-type]

    @wraps(build_property_field)
    def build_token_field(self: Any, field_name: str, model_class: type[Any]) -> _Built:
        if _is_token_attribute(field_name, model_class):
            return serializers.CharField, {"read_only": True}
        return build_property_field(self, field_name, model_class)

    serializers.ModelSerializer.build_standard_field = build_tokenized_field  # type: ignore[method-assign]
    serializers.ModelSerializer.build_property_field = build_token_field  # type: ignore[method-assign]


def _base_field(field: TokenizedField) -> Any:
    # The children of an abstract model share the base field: this copy belongs to the field's own model.
    base_field = copy.copy(field.base_field)
    base_field.model = field.model
    return base_field


def _is_token_attribute(name: str, model: type[Any]) -> bool:
    return any(isinstance(field, TokenizedField) and field.attname == name for field in model._meta.concrete_fields)


@cache
def _tokenized(field_class: type[Any]) -> type[Any]:
    """Return the field class with the mixin: still an ``EmailField`` to forms, schemas and ``isinstance``."""
    return type(f"Tokenized{field_class.__name__}", (TokenizedSerializerField, field_class), {})
