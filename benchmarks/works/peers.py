"""The fields that a Django team would pick instead: encryption with a key of the application."""

from __future__ import annotations

from typing import Any

from ..server import text
from . import Work
from .database import FIELDS, configure, create_table
from .floors import touch

FERNET_KEY = "YmVuY2htYXJrLWtleS1vZi0zMi1ieXRlcy1sb25nISE="


def fernet_encrypted_fields() -> Any:
    from encrypted_fields.fields import EncryptedTextField

    return EncryptedTextField()


def cryptography() -> Any:
    from django.db import models
    from django_cryptography.fields import encrypt

    return encrypt(models.CharField(max_length=255))


def encrypted_model_fields() -> Any:
    from encrypted_model_fields.fields import EncryptedCharField

    return EncryptedCharField(max_length=255)


def searchable_encrypted_fields() -> Any:
    from encrypted_fields.fields import EncryptedCharField

    return EncryptedCharField(max_length=255)


class Read(Work):
    """Read all rows and touch their values."""

    def setup(self) -> None:
        configure(
            self.options,
            SALT_KEY="benchmark",
            FIELD_ENCRYPTION_KEY=FERNET_KEY,
            FIELD_ENCRYPTION_KEYS=["11" * 32],
        )
        self.names = FIELDS[: self.options.fields]
        self.model = self._model()
        create_table(self.model)
        numbers = range(0, self.options.rows * len(self.names), len(self.names))
        self.model.objects.bulk_create(
            self.model(**{name: text(number + place) for place, name in enumerate(self.names)}) for number in numbers
        )

    def _model(self) -> Any:
        from django.db import models

        class Meta:
            app_label = "benchmarks"

        columns = {name: globals()[self.options.field]() for name in self.names}
        return type("Person", (models.Model,), {"__module__": __name__, "Meta": Meta, **columns})

    def __call__(self) -> int:
        return touch(self.model.objects.all(), self.names)
