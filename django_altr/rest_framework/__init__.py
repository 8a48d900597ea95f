"""Django REST framework: serializers of tokenized fields show masks unless they reveal, and take the base type.

Importing this package is all that it takes: from then on every ``ModelSerializer`` knows tokenized fields.
"""

from __future__ import annotations

try:
    import rest_framework  # noqa: F401
except ImportError as error:
    raise ImportError(
        "django_altr.rest_framework needs Django REST framework. Install it with: pip install django-altr[rest]"
    ) from error

from . import model_serializer, validators
from .fields import MASK, TokenizedSerializerField
from .views import NoStoreMixin, VaultUnavailable, exception_handler

__all__ = ["MASK", "NoStoreMixin", "TokenizedSerializerField", "VaultUnavailable", "exception_handler"]

model_serializer.register()
validators.register()
