"""Django's XML serializer, without reading plaintext.

The other formats ask the field for its value. XML looks at ``getattr(obj, field.name)`` first, which would detokenize
every row of a ``dumpdata`` only to learn whether it is null.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.core.serializers import register_serializer
from django.core.serializers import xml_serializer as django_xml
from django.db import models

from .fields import TokenizedField

__all__ = ["Deserializer", "Serializer", "register"]


class Serializer(django_xml.Serializer):
    def handle_field(self, obj: models.Model, field: models.Field[Any, Any]) -> None:
        if isinstance(field, TokenizedField):
            cell = getattr(obj, field.attname)
            obj = SimpleNamespace(pk=obj.pk, **{field.name: cell, field.attname: cell})  # type: ignore[assignment]
        super().handle_field(obj, field)


Deserializer = django_xml.Deserializer


def register() -> None:
    """Take the place of Django's serializer, unless the project chose one."""
    if "xml" not in getattr(settings, "SERIALIZATION_MODULES", {}):
        register_serializer("xml", __name__)
