"""The endpoints behind a stored value on a page: its metadata and status, and its plaintext."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from ..backends import BaseBackend, vaults
from ..exceptions import AltrError
from ..fields import TokenizedField
from ..fields.reads import load
from ..masks import mask_revealed
from .audit import display_name, log_reveal
from .display import display_text, input_text
from .notices import notice, status_code
from .references import inline_objects, parent_attname

__all__ = ["Details", "Reveal", "clean_reason"]

#: Seconds that a page waits for metadata and status, and threads of a process that ask for them.
DETAILS_TIMEOUT = 5.0
DETAILS_THREADS = 8

_threads = ThreadPoolExecutor(DETAILS_THREADS, thread_name_prefix="altr-details")


@dataclass(frozen=True)
class Target:
    """A stored value that a request is about."""

    obj: models.Model
    field: TokenizedField

    @property
    def token(self) -> str:
        return str(getattr(self.obj, self.field.attname) or "")


class _TargetView:
    """A view of one stored value, of an object of the admin's model or of one of its inlines."""

    def __init__(self, model_admin: Any) -> None:
        self.model_admin = model_admin

    def __call__(self, request: HttpRequest, label: str, pk: str, field_name: str) -> HttpResponse:
        target = self._target(request, label, unquote(pk), field_name)
        return self.answer(request, target)

    def answer(self, request: HttpRequest, target: Target) -> HttpResponse:
        raise NotImplementedError

    def _target(self, request: HttpRequest, label: str, pk: str, field_name: str) -> Target:
        owner, obj = self._object(request, label, pk)
        if not owner.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        for field in _fields_shown(owner, request, obj):
            if field.name == field_name and getattr(obj, field.attname):
                return Target(obj, field)
        raise Http404

    def _object(self, request: HttpRequest, label: str, pk: str) -> tuple[Any, models.Model]:
        if label == self.model_admin.opts.label_lower:
            obj = self.model_admin.get_object(request, pk)
            if obj is None:
                raise Http404
            return self.model_admin, obj
        for inline in self.model_admin.get_inline_instances(request):
            if inline.opts.label_lower == label and (obj := self._object_of_inline(request, inline, pk)) is not None:
                return inline, obj
        raise Http404

    def _object_of_inline(self, request: HttpRequest, inline: Any, pk: str) -> models.Model | None:
        try:
            obj: models.Model | None = inline_objects(inline, request).filter(pk=pk).first()
        except (ValidationError, ValueError):
            return None
        if obj is None:
            return None
        parent = self.model_admin.get_object(request, str(getattr(obj, parent_attname(inline))))
        if parent is None or not self.model_admin.has_view_or_change_permission(request, parent):
            return None
        return obj


def _fields_shown(owner: Any, request: HttpRequest, obj: models.Model) -> list[TokenizedField]:
    from .options import TokenizedAdminMixin

    if isinstance(owner, TokenizedAdminMixin):
        return owner.get_reveal_fields(request, obj)
    return TokenizedAdminMixin.get_reveal_fields(owner, request, obj)


class Details(_TargetView):
    """Metadata and status of one token: JSON for the script on the page, a page of its own without it."""

    def answer(self, request: HttpRequest, target: Target) -> HttpResponse:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        details = _details(vaults[target.field.vault], target.token)
        if request.accepts("text/html") and "application/json" not in request.headers.get("Accept", ""):
            return _page(self.model_admin, request, target, "django_altr/details.html", {"rows": details["rows"]})
        return JsonResponse(details)


def _details(vault: BaseBackend, token: str) -> dict[str, Any]:
    """Return metadata and status, and both as rows for people; what failed is ``None``."""
    questions: list[tuple[str, Callable[[Any], str], Future[Any] | None]] = [
        ("metadata", _metadata_text, _threads.submit(vault.metadata, token) if vault.supports_metadata else None),
        ("status", _status_text, _threads.submit(vault.status, token) if vault.supports_status else None),
    ]
    answers: dict[str, Any] = {}
    texts = []
    wait([future for _name, _describe, future in questions if future is not None], DETAILS_TIMEOUT)
    for name, describe, future in questions:
        answers[name], text = (None, _unsupported(name)) if future is None else _answer(future, describe)
        texts.append(text)
    if texts[0] == texts[1]:
        rows = [[_("Metadata and status"), texts[0]]]
    else:
        rows = [[_("Metadata"), texts[0]], [_("Status"), texts[1]]]
    return {**answers, "rows": rows}


def _unsupported(name: str) -> str:
    return _("This vault keeps no metadata.") if name == "metadata" else _("This vault tells no status.")


def _answer(future: Future[Any], describe: Callable[[Any], str]) -> tuple[Any, str]:
    if not future.done():
        future.cancel()
        return None, _("The vault did not answer in time.")
    try:
        value = future.result()
    except AltrError as error:
        return None, notice(error)
    return value, describe(value)


def _metadata_text(metadata: str | None) -> str:
    return _("none") if metadata is None else metadata


def _status_text(status: dict[str, bool]) -> str:
    words = {
        "token_active": (_("active"), _("not active")),
        "data_protected": (_("protected"), _("not protected")),
        "data_available": (_("available"), _("not available")),
    }
    return ", ".join(yes if status.get(key) else no for key, (yes, no) in words.items())


class Reveal(_TargetView):
    """The plaintext of one value, by POST: JSON for the script on the page, a page of its own without it."""

    def _target(self, request: HttpRequest, label: str, pk: str, field_name: str) -> Target:
        target = super()._target(request, label, pk, field_name)
        if not self.model_admin.may_reveal_of(request, target.obj, target.field):
            raise PermissionDenied
        return target

    @sensitive_variables()
    def answer(self, request: HttpRequest, target: Target) -> HttpResponse:
        if request.method not in ("GET", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        wants_json = "application/json" in request.headers.get("Accept", "")
        answer: dict[str, Any] = {}
        status = 200
        if request.method == "POST":
            answer, status = self._reveal(request, target)
            if wants_json:
                return JsonResponse(answer, status=status)
        response = _page(self.model_admin, request, target, "django_altr/reveal.html", answer, status)
        if "value" in answer:
            # Without a script, this is what hides the value again.
            response.headers["Refresh"] = f"{self.model_admin.reveal_seconds}; url={request.path}"
        return response

    @sensitive_variables()
    def _reveal(self, request: HttpRequest, target: Target) -> tuple[dict[str, Any], int]:
        reason, problem = clean_reason(self.model_admin, request)
        if problem:
            return {"error": problem}, 400
        field = target.field
        try:
            load([field], [target.obj])
            value = getattr(target.obj, field.name)
        except (AltrError, ValidationError) as error:
            return {"error": notice(error)}, status_code(error)
        log_reveal(request, [target.obj], [field], reason=reason)
        return {
            "value": display_text(field, value),
            "input": input_text(field, value),
            "masked": mask_revealed(field.base_field, value),
            "hide_after": self.model_admin.reveal_seconds,
        }, 200


def clean_reason(model_admin: Any, request: HttpRequest) -> tuple[str, str | None]:
    """Return the reason that was given, on one line, and what is wrong with it."""
    if not model_admin.reveal_reason or model_admin.reveal_reason == "no":
        return "", None
    reason = " ".join(request.POST.get("reason", "").split())[:500]
    if model_admin.reveal_reason == "required" and not reason:
        return "", _("Say why you need to see it: the reason goes into the log.")
    return reason, None


def _page(
    model_admin: Any, request: HttpRequest, target: Target, template: str, context: dict[str, Any], status: int = 200
) -> TemplateResponse:
    opts = model_admin.opts
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(
        request,
        template,
        {
            **model_admin.admin_site.each_context(request),
            "opts": opts,
            "object_name": display_name(target.obj),
            "field": target.field,
            "token": target.token,
            "title": capfirst(target.field.verbose_name),
            "reason": model_admin.reveal_reason or "no",
            "media": model_admin.media,
            **context,
        },
        status=status,
    )
