"""``TokenizedAdminMixin``: what makes a ``ModelAdmin`` or an inline show masks instead of plaintext."""

from __future__ import annotations

from typing import Any, Literal

from django import forms
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from ..fields import TokenizedField
from ..fields.cells import ValueToken
from ..fields.writes import tokenized_fields
from ..forms import MaskedField
from ..masks import MASK
from ..permissions import may_reveal
from . import actions, forms_on_page, views
from .copies import CopiesObjects
from .outages import SurvivesOutages
from .records import RecordsNoPlaintext
from .references import MaskedColumn, Page, replaced, tokenized_path
from .search import SearchesTokens

__all__ = ["TokenizedAdminMixin"]


class TokenizedAdminMixin(RecordsNoPlaintext, SurvivesOutages, CopiesObjects, SearchesTokens, BaseModelAdmin):  # type: ignore[type-arg]
    """Mix into a ``ModelAdmin`` or an inline, before it: ``class CustomerAdmin(TokenizedAdminMixin, ModelAdmin)``.

    Pages show masks and reference tokens and ask the vault for nothing. Users with the permission
    ``<app>.reveal_<model>`` can reveal values; each reveal is an entry in the admin's log.
    """

    #: Whether a reveal asks why: ``"no"``, ``"optional"`` or ``"required"``.
    reveal_reason: Literal["no", "optional", "required"] = "optional"
    #: Seconds after which a revealed value is hidden again.
    reveal_seconds: int = 30
    #: Objects that "reveal selected" takes at once.
    reveal_max_objects: int = 5000

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = getattr(self, "actions", None)
        if own is not None and "reveal_selected" not in own:
            self.actions = [*own, "reveal_selected"]

    @property
    def media(self) -> forms.Media:
        return super().media + forms.Media(css={"all": ["django_altr/masked.css"]}, js=["django_altr/masked.js"])

    # Permissions

    def has_reveal_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Whether the user may see plaintext of this object, or of the model's objects at all."""
        return may_reveal(request.user, self.model)

    def may_reveal_of(self, request: HttpRequest, obj: models.Model, field: TokenizedField) -> bool:
        """Whether the user may reveal the value, of an object of the admin's model or of one of its inlines."""
        if isinstance(obj, self.model):
            return self.has_reveal_permission(request, obj)
        for inline in self.get_inline_instances(request):  # type: ignore[attr-defined]
            if isinstance(inline, TokenizedAdminMixin) and isinstance(obj, inline.model):
                return inline.has_reveal_permission(request, obj)
        return may_reveal(request.user, type(obj))

    def get_reveal_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[TokenizedField]:
        """Return the tokenized fields that may be revealed here: those that the admin shows."""
        shown = [*flatten_fieldsets(self.get_fieldsets(request, obj)), *self.get_readonly_fields(request, obj)]
        if isinstance(self, admin.ModelAdmin):
            shown += self.get_list_display(request)
        return [field for field in tokenized_fields(self.model) if field.name in shown]

    # Change form

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if not isinstance(db_field, TokenizedField):
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        kwargs = {**self.formfield_overrides.get(TokenizedField, {}), **kwargs}
        kwargs.pop("masked", None)
        formfield = super().formfield_for_dbfield(db_field.base_field, request, **kwargs)
        return None if formfield is None else MaskedField(db_field, formfield)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        forms_on_page.mask(context, Page(self, request))
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc,no-any-return]

    # Change list

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)  # type: ignore[misc]
        columns: dict[Any, Any] = {}
        for name in changelist.list_display:
            if field := tokenized_path(self.model, name):
                if name in changelist.list_editable:
                    _mask_cells(changelist.result_list, field)
                else:
                    columns[name] = MaskedColumn(name, field)
        changelist.list_display = replaced(changelist.list_display, lambda name: columns.get(name, name))
        if changelist.list_display_links:
            changelist.list_display_links = [columns.get(name, name) for name in changelist.list_display_links]
        return changelist

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        form = super().get_changelist_form(request, **kwargs)  # type: ignore[misc]
        for field in form.base_fields.values():
            if isinstance(field, MaskedField):
                field.widget.compact = True
        return form

    @admin.action(permissions=["reveal"], description=_("Reveal selected %(verbose_name_plural)s"))
    def reveal_selected(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
        return actions.reveal_selected(self, request, queryset)

    # Endpoints

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_tokenized"
        view = self.admin_site.admin_view
        place = "tokenized/<str:label>/<str:pk>/<str:field_name>/"
        own = [
            path(place, view(views.Details(self)), name=f"{name}_details"),
            path(f"{place}reveal/", view(views.Reveal(self)), name=f"{name}_reveal"),
        ]
        return own + super().get_urls()  # type: ignore[misc,no-any-return]


def _mask_cells(objects: Any, field: TokenizedField) -> None:
    """Give the objects' field the mask as its value: the admin reads the value of an editable column too."""
    for obj in objects:
        if cell := getattr(obj, field.attname):
            obj.__dict__[field.attname] = ValueToken(str(cell), field, "", MASK)
