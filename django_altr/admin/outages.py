"""Pages that render, and forms that lose nothing, while the vault fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import BaseModelAdmin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse
from django.utils.translation import gettext as _

from ..exceptions import AltrError
from ..masks import masked
from .notices import notice

__all__ = ["SurvivesOutages"]


class SurvivesOutages(BaseModelAdmin):  # type: ignore[type-arg]
    """Pages themselves ask the vault for nothing; this is for a ``__str__`` that does, and for saving new values."""

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _survive(super().changelist_view, request, "_save" in request.POST, *args, **kwargs)  # type: ignore[misc]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _survive(super().changeform_view, request, True, *args, **kwargs)  # type: ignore[misc]

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _survive(super().history_view, request, False, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _survive(super().delete_view, request, False, *args, **kwargs)  # type: ignore[misc]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)  # type: ignore[misc]
        return _failing(form, request.altr_problem) if hasattr(request, "altr_problem") else form

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        formset = super().get_changelist_formset(request, **kwargs)  # type: ignore[misc]
        return _failing(formset, request.altr_problem) if hasattr(request, "altr_problem") else formset

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        if hasattr(request, "altr_problem"):
            raise AltrError("get_form() must call super().get_form(): the vault failed, and the form has to say so.")
        return super().save_form(request, form, change)  # type: ignore[misc]


def _survive(view: Callable[..., Any], request: HttpRequest, is_form: bool, *args: Any, **kwargs: Any) -> HttpResponse:
    # Error reports show what was posted: here it is plaintext.
    request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
    try:
        return _render_surely(view(request, *args, **kwargs), request)
    except AltrError as error:
        problem = notice(error)
    if request.method == "POST" and not is_form:
        # An action or a deletion: what of it was done is not known here, so it is not tried again.
        messages.error(request, problem)
        return HttpResponseRedirect(request.get_full_path())
    if request.method == "POST":
        # Once more, as a form with an error: it saves nothing, and has everything that was entered.
        request.altr_problem = problem  # type: ignore[attr-defined]
    else:
        messages.warning(request, problem)
    with masked():
        return _render_surely(view(request, *args, **kwargs), request)


def _render_surely(response: Any, request: HttpRequest) -> HttpResponse:
    """Let the response render with masks where the vault fails: the templates call ``__str__`` too."""
    if not isinstance(response, SimpleTemplateResponse):
        return response  # type: ignore[no-any-return]
    render = response.render

    def render_surely() -> Any:
        try:
            return render()
        except AltrError as error:
            messages.warning(request, notice(error))
        with masked():
            return render()

    response.render = render_surely  # type: ignore[method-assign]
    return response


def _failing(form_class: Any, problem: str) -> Any:
    """Return the form or formset class with an error that is none of the person's."""

    def full_clean(self: Any) -> None:
        form_class.full_clean(self)
        if self.is_bound:
            text = _("Nothing was saved. %(problem)s") % {"problem": problem}
            if hasattr(self, "add_error"):
                self.add_error(None, text)
            else:
                self._non_form_errors.append(text)

    return type(form_class.__name__, (form_class,), {"full_clean": full_clean, "__module__": form_class.__module__})
