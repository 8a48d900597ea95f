"""What a serializer shows of a tokenized field, and what it takes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import SkipField, empty, get_attribute
from rest_framework.utils.html import is_html_input

from django_altr.exceptions import TokenNotFound
from django_altr.fields import InvalidValue, TokenizedField
from django_altr.fields.cells import cell_of, is_unloaded
from django_altr.fields.reads import PlaintextAttribute, ReadToken

__all__ = ["MASK", "TokenizedSerializerField"]

#: What stands for a text that is not revealed; sent back, it leaves the value as it is.
MASK = "••••••••"

logger = logging.getLogger(__name__)


class TokenizedSerializerField(serializers.Field):  # type: ignore[type-arg]
    """A mixin that makes a serializer field one for a tokenized model field: masked unless its serializer reveals it.

    A ``ModelSerializer`` puts it before the field class of the base type by itself. To declare a field by hand::

        class MaskedPhone(TokenizedSerializerField, PhoneNumberField): ...

    The serializer reveals by its ``Meta``: ``reveal`` is a list of field names or ``"__all__"``; ``reveal_permission``
    is a permission (``"shop.reveal_customer"``) that the request's user must have. With both, the permission shows the
    fields of the list; with ``reveal_permission`` alone, all of them. What is not revealed is never read from the
    vault: a text is ``MASK``, a value of another type is left out.
    """

    default_error_messages = {"masked": _("This is a mask, not a value.")}

    # Output

    @cached_property
    def is_revealed(self) -> bool:
        """Whether the serializer shows the plaintext, to this request's user."""
        meta = getattr(self.parent, "Meta", None)
        permission = getattr(meta, "reveal_permission", None)
        revealed = _names(getattr(meta, "reveal", None if permission is None else "__all__"))
        if revealed != "__all__" and self.field_name not in revealed:
            return False
        return permission is None or self._user_has(permission)

    def _user_has(self, permission: str) -> bool:
        user = getattr(self.context.get("request"), "user", None)
        return user is not None and user.has_perm(permission)

    def get_attribute(self, instance: Any) -> Any:
        owner = self._owner(instance)
        if owner is None:
            return super().get_attribute(instance)
        return self._plaintext(owner, instance) if self.is_revealed else self._mask(owner, instance)

    def to_representation(self, value: Any) -> Any:
        return MASK if value is MASK else super().to_representation(value)

    def _owner(self, instance: Any) -> Any:
        """Return what has the field: the instance, or for a dotted source what its path leads to."""
        try:
            return get_attribute(instance, self.source_attrs[:-1])
        except (KeyError, AttributeError):
            return None  # as with any field: DRF's own get_attribute says what that means

    def _mask(self, owner: Any, instance: Any) -> Any:
        name = self.source_attrs[-1]
        stored = owner.get(name) if isinstance(owner, Mapping) else getattr(owner, f"{name}_token", MASK)
        if stored is None or (isinstance(stored, str) and stored == ""):
            return super().get_attribute(instance)  # nothing is hidden here
        if isinstance(self, serializers.CharField):
            return MASK
        raise SkipField  # a mask would not be of the type that the client expects

    def _plaintext(self, owner: Any, instance: Any) -> Any:
        try:
            self._load(owner)
            value = super().get_attribute(instance)
            return value() if isinstance(value, ReadToken) else value
        except (TokenNotFound, InvalidValue) as error:
            # One erased or unreadable value must not take the page with it.
            logger.warning("%s is left out of a response: %s", self.source, error)
        raise SkipField

    def _load(self, owner: Any) -> None:
        """Read the value; with it all that this serializer reveals, of all rows that came with this one."""
        field = _tokenized_field(owner, self.source_attrs[-1])
        if field is not None and is_unloaded(cell_of(owner, field.attname)):
            names = self._revealed_sources if len(self.source_attrs) == 1 else ()
            fields = [each for name in names if (each := _tokenized_field(owner, name)) is not None]
            PlaintextAttribute(field, fields).__get__(owner)

    @property
    def _revealed_sources(self) -> list[str]:
        serializer: Any = self.parent
        return [
            str(field.source)
            for field in serializer.fields.values()
            if isinstance(field, TokenizedSerializerField) and field.is_revealed and not field.write_only
        ]

    # Input

    @property
    def _updates(self) -> bool:
        return getattr(self.parent, "instance", None) is not None

    def get_value(self, dictionary: Any) -> Any:
        # A form shows nothing of what is not revealed, so that leaving it empty is leaving it alone.
        if self._updates and not self.is_revealed and is_html_input(dictionary) and not dictionary.get(self.field_name):
            return MASK
        return super().get_value(dictionary)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if not self.read_only and self._is_left_alone(data):
            raise SkipField
        return super().validate_empty_values(data)

    def _is_left_alone(self, data: Any) -> bool:
        if isinstance(data, str) and data == MASK:
            if not self._updates:
                self.fail("masked")
            return True
        # Who cannot read a value cannot send it back.
        return data is empty and self._updates and not self.is_revealed

    def run_validation(self, data: Any = empty) -> Any:
        value = super().run_validation(data)
        if self._updates and self.is_revealed:
            self._load(self.parent.instance)  # so that a value that is what it was writes nothing
        return value


def _tokenized_field(owner: Any, name: str) -> TokenizedField | None:
    if not isinstance(owner, Model):
        return None
    fields = (field for field in owner._meta.concrete_fields if field.name == name)
    return next((field for field in fields if isinstance(field, TokenizedField)), None)


def _names(reveal: Any) -> Collection[str] | str:
    if reveal is None or reveal == "__all__":
        return reveal or ()
    if isinstance(reveal, str):
        raise TypeError('Meta.reveal is a list of field names, or "__all__".')
    return reveal  # type: ignore[no-any-return]
