"""``save_as``: a copy takes over the values that were left as they are, with tokens of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse

from ..exceptions import AltrError
from ..fields.reads import load
from ..fields.writes import tokenized_fields
from .notices import notice
from .references import inline_objects, parent_attname

__all__ = ["CopiesObjects"]


class CopiesObjects(BaseModelAdmin):  # type: ignore[type-arg]
    """Nobody sees the values that are copied: the vault is asked, in one request an object, and written to again."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if getattr(self, "save_as", False) and object_id is not None and "_saveasnew" in request.POST:
            original = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
            if not self.has_view_or_change_permission(request, original):
                raise PermissionDenied
            request.altr_original = original  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)  # type: ignore[misc]
        original = getattr(request, "altr_original", None)
        return type(form.__name__, (_Copy, form), {"altr_original": original}) if original is not None else form

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Iterator[tuple[Any, Any]]:
        original = getattr(request, "altr_original", None)
        for formset, inline in super().get_formsets_with_inlines(request, obj):  # type: ignore[misc]
            if original is not None and tokenized_fields(inline.model):
                originals = inline_objects(inline, request).filter(**{parent_attname(inline): original.pk})
                formset = type(formset.__name__, (_Copies, formset), {"altr_originals": originals})
            yield formset, inline


class _Copy:
    """A form of a copy; masked fields know it by ``altr_original``."""

    altr_original: Any = None

    def altr_copied(self, name: str) -> Any:
        """Return the original's value for the copy."""
        return copied(self.altr_original, name)


class _Copies:
    """A formset of copies. The forms' data still say which objects they are copies of."""

    altr_originals: models.QuerySet[Any]

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        pk = self.data.get(f"{self.add_prefix(i)}-{self.model._meta.pk.name}")  # type: ignore[attr-defined]
        form = super()._construct_form(i, **kwargs)  # type: ignore[misc]
        if original := _find(self.altr_originals, pk):
            form.altr_original = original
            form.altr_copied = lambda name: copied(original, name)
        return form


def _find(objects: models.QuerySet[Any], pk: Any) -> models.Model | None:
    try:
        return objects.filter(pk=pk).first() if pk else None
    except (ValidationError, ValueError):
        return None


def copied(original: models.Model, name: str) -> Any:
    """Return a value of the original; a failing vault is an error of the form's field."""
    try:
        load(tokenized_fields(type(original)), [original])
        return getattr(original, name)
    except AltrError as error:
        problem = notice(error)
    raise ValidationError(problem, code="vault")
