"""What a page of the admin shows of a stored value: a mask, its reference token, and where to ask for more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..backends import vaults
from ..fields import TokenizedField
from ..masks import MASK

if TYPE_CHECKING:
    from .options import TokenizedAdminMixin

__all__ = [
    "MaskedColumn",
    "Page",
    "ReadonlyReference",
    "inline_objects",
    "mask_html",
    "parent_attname",
    "replaced",
    "tokenized_path",
]


def mask_html() -> SafeString:
    """Return the mask, with a word for those who hear the page."""
    return format_html(
        '<span class="altr-mask" aria-hidden="true">{}</span><span class="altr-spoken">{}</span>', MASK, _("masked")
    )


class Page:
    """One page of one user: knows the links that the user may follow."""

    def __init__(self, model_admin: TokenizedAdminMixin, request: HttpRequest) -> None:
        self.model_admin = model_admin
        self.request = request

    def reference(self, obj: models.Model, field: TokenizedField) -> dict[str, Any]:
        """Return the context of ``reference.html`` for a stored value."""
        vault = vaults[field.vault]
        may_reveal = self.model_admin.may_reveal_of(self.request, obj, field)
        return {
            "token": str(getattr(obj, field.attname)),
            "label": field.verbose_name,
            "mask": MASK,
            "details_url": self._url("details", obj, field)
            if vault.supports_metadata or vault.supports_status
            else None,
            "keeps_metadata": vault.supports_metadata,
            "reveal_url": self._url("reveal", obj, field) if may_reveal else None,
            "hide_after": self.model_admin.reveal_seconds,
            "reason": self.model_admin.reveal_reason or "no",
            "texts": json.dumps(_texts()),
        }

    def _url(self, view: str, obj: models.Model, field: TokenizedField) -> str | None:
        site, opts = self.model_admin.admin_site, self.model_admin.opts
        try:
            return reverse(
                f"{site.name}:{opts.app_label}_{opts.model_name}_tokenized_{view}",
                args=[obj._meta.label_lower, quote(obj.pk), field.name],
            )
        except NoReverseMatch:
            return None


def _texts() -> dict[str, str]:
    """Return what the script says."""
    return {
        "reveal": _("Reveal"),
        "hide": _("Hide"),
        "edit": _("Edit this value"),
        "hidden": _("Hidden again."),
        "seconds": _("hides in %s s"),
        "reason": _("Reason"),
        "optional": _("Reason (optional)"),
        "cancel": _("Cancel"),
        "copy": _("Copy"),
        "copied": _("Copied"),
        "loading": _("Asking the vault…"),
        "failed": _("The server did not answer."),
    }


def tokenized_path(model: type[models.Model], path: object) -> TokenizedField | None:
    """Return the tokenized field that a path such as ``"ssn"`` or ``"customer__ssn"`` leads to."""
    if not isinstance(path, str):
        return None
    opts, field = model._meta, None
    for name in path.split("__"):
        if opts is None:
            return None
        try:
            field = opts.get_field(name)
        except Exception:
            return None
        if isinstance(field, TokenizedField) and name != field.name:
            return None  # the token itself
        opts = field.related_model._meta if field.is_relation and field.related_model else None  # type: ignore
    return field if isinstance(field, TokenizedField) else None


def parent_attname(inline: Any) -> str:
    """Return the attribute of an inline's objects that has the primary key of the object they belong to."""
    if hasattr(inline, "ct_fk_field"):  # a generic relation
        return str(inline.ct_fk_field)
    return str(_get_foreign_key(inline.parent_model, inline.model, fk_name=inline.fk_name).attname)


def inline_objects(inline: Any, request: HttpRequest) -> models.QuerySet[Any]:
    """Return the objects that an inline shows of any object."""
    objects: models.QuerySet[Any] = inline.get_queryset(request)
    if hasattr(inline, "ct_field"):
        content_type = ContentType.objects.get_for_model(inline.parent_model, for_concrete_model=False)
        return objects.filter(**{inline.ct_field: content_type})
    return objects


class _Masked:
    """A callable that the admin takes in the place of a field's name."""

    def __init__(self, path: str, field: TokenizedField) -> None:
        self.path = path
        self.field = field
        self.__name__ = path.replace("__", "_")
        self.short_description = field.verbose_name

    def cell(self, obj: Any) -> tuple[Any, Any]:
        """Return the object that the path leads to, and its cell: a token, nothing, or a plaintext to be saved."""
        for name in self.path.split("__")[:-1]:
            obj = getattr(obj, name)
            if obj is None:
                return None, None
        return obj, getattr(obj, self.field.attname)


class MaskedColumn(_Masked):
    """A column of a change list: a mask wherever there is a value."""

    def __call__(self, obj: models.Model) -> Any:
        _obj, cell = self.cell(obj)
        return mask_html() if cell else None


class ReadonlyReference(_Masked):
    """A read-only field of a change form."""

    def __init__(self, path: str, field: TokenizedField, page: Page) -> None:
        super().__init__(path, field)
        self.page = page
        self.__name__ = field.name

    def __call__(self, obj: models.Model) -> Any:
        owner, cell = self.cell(obj)
        if not cell:
            return self.page.model_admin.get_empty_value_display()
        if not isinstance(cell, str) or owner is not obj or obj.pk is None:
            return mask_html()
        return render_to_string("django_altr/reference.html", self.page.reference(obj, self.field))


def replaced(names: Any, by: Callable[[Any], Any]) -> Any:
    """Return the names, nested as they are in fieldsets, each replaced by what ``by`` gives."""
    if isinstance(names, list | tuple):
        return type(names)(replaced(name, by) for name in names)
    return by(names)
