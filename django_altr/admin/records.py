"""Keep plaintext out of what the admin writes down: its log, and messages, which rest in sessions and cookies."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.contrib.admin.options import IS_POPUP_VAR, BaseModelAdmin
from django.db import models
from django.http import HttpRequest, HttpResponse

from ..masks import masked
from .audit import display_name

__all__ = ["RecordsNoPlaintext"]


class RecordsNoPlaintext(BaseModelAdmin):  # type: ignore[type-arg]
    """A ``__str__`` may use tokenized fields; what is stored of it has masks in their place."""

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        with masked():
            return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        with masked():
            return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        # What response_delete() will say of a single object: it is gone by then.
        request.altr_deleted = {str(obj.pk): display_name(obj) for obj in queryset}  # type: ignore[attr-defined]
        with masked():
            return super().log_deletions(request, queryset)  # type: ignore[misc]

    def construct_change_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with masked():  # it names the objects of inlines
            return super().construct_change_message(request, *args, **kwargs)  # type: ignore[misc]

    def response_add(self, request: HttpRequest, obj: models.Model, *args: Any, **kwargs: Any) -> HttpResponse:
        with _masked_message(request):
            return super().response_add(request, obj, *args, **kwargs)  # type: ignore[misc,no-any-return]

    def response_change(self, request: HttpRequest, obj: models.Model) -> HttpResponse:
        with _masked_message(request):
            return super().response_change(request, obj)  # type: ignore[misc,no-any-return]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        display = getattr(request, "altr_deleted", {}).get(str(obj_id), obj_display)
        return super().response_delete(request, display, obj_id)  # type: ignore[misc,no-any-return]


def _masked_message(request: HttpRequest) -> AbstractContextManager[None]:
    """Mask the name in the message; a popup has none, it tells the name to the page that opened it."""
    return nullcontext() if IS_POPUP_VAR in request.POST else masked()
