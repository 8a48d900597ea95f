"""The action "reveal selected": plaintext of many objects at once, on a page or as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

from django.contrib import messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from ..exceptions import AltrError
from ..fields import TokenizedField
from ..fields.reads import load
from .audit import display_name, log_reveal
from .display import display_text, export_text
from .notices import notice
from .views import clean_reason

__all__ = ["reveal_selected"]


def reveal_selected(model_admin: Any, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
    """Ask which fields and why; then show the values or send them as a file."""
    objects = list(queryset[: model_admin.reveal_max_objects + 1])
    if len(objects) > model_admin.reveal_max_objects:
        _warn(
            model_admin,
            request,
            ngettext(
                "At most %(count)d object can be revealed at once.",
                "At most %(count)d objects can be revealed at once.",
                model_admin.reveal_max_objects,
            )
            % {"count": model_admin.reveal_max_objects},
        )
        return None
    if not all(model_admin.has_reveal_permission(request, obj) for obj in objects):
        raise PermissionDenied
    fields = model_admin.get_reveal_fields(request)
    chosen = [field for field in fields if field.name in request.POST.getlist("fields")]
    context: dict[str, Any] = {"problem": None}
    if output := request.POST.get("output"):
        response, context["problem"] = _reveal(model_admin, request, objects, chosen, output)
        if response is not None:
            return response
    return _page(model_admin, request, objects, {**context, "fields": [(field, field in chosen) for field in fields]})


@sensitive_variables()
def _reveal(
    model_admin: Any, request: HttpRequest, objects: Sequence[Any], fields: Sequence[TokenizedField], output: str
) -> tuple[HttpResponse | None, str | None]:
    reason, problem = clean_reason(model_admin, request)
    if not fields:
        problem = _("Choose at least one field.")
    if problem:
        return None, problem
    try:
        load(fields, objects)
    except AltrError as error:
        return None, notice(error)
    log_reveal(request, objects, fields, reason=reason, exported=output == "csv")
    if output == "csv":
        return _csv(model_admin, objects, fields), None
    rows = [
        {"name": display_name(obj), "cells": [_text(obj, field, display_text) for field in fields]} for obj in objects
    ]
    headers = [field.verbose_name for field in fields]
    context = {"rows": rows, "headers": headers, "hide_after": model_admin.reveal_seconds}
    response = _page(model_admin, request, objects, context)
    response.headers["Refresh"] = f"{model_admin.reveal_seconds}; url={request.get_full_path()}"
    return response, None


@sensitive_variables()
def _text(obj: models.Model, field: TokenizedField, to_text: Any) -> str:
    try:
        return str(to_text(field, getattr(obj, field.name)))
    except (AltrError, ValidationError) as error:  # one lost value does not hide the others
        return f"({notice(error)})"


@sensitive_variables()
def _csv(model_admin: Any, objects: Sequence[Any], fields: Sequence[TokenizedField]) -> HttpResponse:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow([model_admin.opts.pk.name, *(field.name for field in fields)])
    writer.writerows(_csv_rows(objects, fields))
    response = HttpResponse(text.getvalue().encode("utf-8-sig"), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{model_admin.opts.model_name}.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _csv_rows(objects: Sequence[Any], fields: Sequence[TokenizedField]) -> Iterator[list[str]]:
    for obj in objects:
        yield [str(obj.pk), *(_text(obj, field, export_text) for field in fields)]


def _page(model_admin: Any, request: HttpRequest, objects: Sequence[Any], context: dict[str, Any]) -> TemplateResponse:
    opts = model_admin.opts
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(
        request,
        "django_altr/reveal_selected.html",
        {
            **model_admin.admin_site.each_context(request),
            "opts": opts,
            "title": _("Reveal values"),
            "objects": objects,
            # Of all pages: the query says which, and as many numbers would not fit into a form.
            "across": request.POST.get("select_across") == "1",
            "reason": model_admin.reveal_reason or "no",
            "given_reason": request.POST.get("reason", ""),
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            "media": model_admin.media,
            **context,
        },
    )


def _warn(model_admin: Any, request: HttpRequest, text: str) -> None:
    model_admin.message_user(request, text, messages.ERROR)
