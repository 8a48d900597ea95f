"""Form fields that take a new value without showing the stored one."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .fields.cells import Pending, Token
from .masks import MASK

if TYPE_CHECKING:
    from .fields import TokenizedField

__all__ = ["MaskedField", "MaskedInput", "Unchanged"]


@dataclass(frozen=True, repr=False)
class Unchanged:
    """What ``cleaned_data`` has for a stored value that was left as it is.

    No text on purpose: code that takes it for the value fails, instead of saving something made of it. Equal if the
    reference tokens are, for a formset compares the values of its unique fields.
    """

    token: str | None

    def __repr__(self) -> str:
        return "<unchanged>"


@dataclass(frozen=True, repr=False)
class Entry:
    """What a person entered: something typed, or the wish to clear the stored value, or neither."""

    typed: Any = None
    clear: bool = False

    @property
    def is_blank(self) -> bool:
        return _is_blank(self.typed)


def _is_blank(typed: Any) -> bool:
    if isinstance(typed, list | tuple):
        return all(map(_is_blank, typed))
    return typed is None or (isinstance(typed, str) and not typed.strip())


@dataclass(frozen=True, repr=False)
class Shown:
    """What a ``MaskedInput`` shows: the stored reference token, and what stands in the input for a new value."""

    token: Token | None
    typed: Any
    instance: Any = None
    clear: bool = False
    has_errors: bool = False


class MaskedInput(forms.Widget):
    """Show a stored value as a mask with its reference token, and an input for a new value.

    ``inner`` is the widget of the base field. ``page`` knows what the page around it adds: links to reveal the value
    and to its metadata (the admin sets it).
    """

    template_name = "django_altr/masked_input.html"
    compact_template_name = "django_altr/masked_input_compact.html"
    page: Any = None
    compact = False

    def __init__(self, inner: forms.Widget, field: TokenizedField, *, clearable: bool) -> None:
        super().__init__()
        self.inner = inner
        self.field = field
        self.clearable = clearable

    def __deepcopy__(self, memo: dict[int, Any]) -> MaskedInput:
        twin = super().__deepcopy__(memo)
        twin.inner = copy.deepcopy(self.inner, memo)
        return twin

    @property
    def media(self) -> forms.Media:
        return self.inner.media + forms.Media(css={"all": ["django_altr/masked.css"]}, js=["django_altr/masked.js"])

    @property
    def is_hidden(self) -> bool:
        return self.inner.is_hidden

    @property
    def needs_multipart_form(self) -> bool:  # type: ignore[override]
        return self.inner.needs_multipart_form

    @property
    def use_fieldset(self) -> bool:  # type: ignore[override]
        return self.inner.use_fieldset

    def id_for_label(self, id_: str) -> str:
        return self.inner.id_for_label(id_)

    def use_required_attribute(self, initial: Any) -> bool:
        return not isinstance(initial, Token) and self.inner.use_required_attribute(initial)

    def clear_name(self, name: str) -> str:
        return f"{name}-clear"

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Entry:
        clear = self.clearable and forms.CheckboxInput().value_from_datadict(data, files, self.clear_name(name))
        return Entry(self.inner.value_from_datadict(data, files, name), bool(clear))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return self.inner.value_omitted_from_data(data, files, name) and self.clear_name(name) not in data

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        shown = value if isinstance(value, Shown) else Shown(None, value)
        # A browser's memory of forms is no place for such values.
        attributes = {"autocomplete": "off", **self.attrs, **(attrs or {})}
        inner = self.inner.render(name, shown.typed, attributes, renderer)
        if shown.token is None:
            return inner
        return render_to_string(
            self.compact_template_name if self.compact else self.template_name,
            {
                "inner": inner,
                "label": self.field.verbose_name,
                "mask": MASK,
                "open": shown.has_errors or shown.clear or not _is_blank(shown.typed),
                "clearable": self.clearable,
                "clear": shown.clear,
                "clear_name": self.clear_name(name),
                "clear_id": f"{(attrs or {}).get('id') or name}-clear",
                **self._reference(shown),
            },
        )

    def _reference(self, shown: Shown) -> dict[str, Any]:
        if self.page is None or shown.instance is None or self.compact:
            return {"token": str(shown.token)}
        return self.page.reference(shown.instance, self.field)  # type: ignore[no-any-return]


class MaskedField(forms.Field):
    """Take a new value of ``base``, a form field, for a stored value that is not shown.

    Left blank, the stored value stays: ``cleaned_data`` has an ``Unchanged``, and nothing is read or written. Clearing
    is explicit: a checkbox, for fields that may be empty.
    """

    default_error_messages = {
        "contradiction": _("Either enter a new value or tick the box to clear the stored one, not both."),
    }

    def __init__(self, field: TokenizedField, base: forms.Field) -> None:
        self.field = field
        self.base = base
        _offer_no_change(base)
        super().__init__(
            required=base.required,
            label=base.label,
            initial=base.initial,
            help_text=base.help_text,
            localize=base.localize,
            disabled=base.disabled,
            label_suffix=base.label_suffix,
            widget=MaskedInput(base.widget, field, clearable=self.is_clearable),
        )
        self.widget.is_required = base.required

    def __deepcopy__(self, memo: dict[int, Any]) -> MaskedField:
        twin: MaskedField = super().__deepcopy__(memo)
        twin.base = copy.deepcopy(self.base, memo)
        twin.base.widget = twin.widget.inner
        return twin

    def get_bound_field(self, form: Any, field_name: str) -> MaskedBoundField:
        return MaskedBoundField(form, self, field_name)

    @property
    def cleared(self) -> Any:
        """The value of a cleared field: empty, or the default where the column takes no NULL."""
        empty = self.base.clean(None)
        if empty is None and not self.field.null:
            default = self.field.get_default()
            return default.value if isinstance(default, Pending) else default
        return empty

    @property
    def is_clearable(self) -> bool:
        if self.base.required or self.base.clean(None) not in self.base.empty_values:
            return False
        return self.field.null or self.cleared is not None

    def clean(self, value: Any, token: Token | None = None) -> Any:
        """Return the new value, the empty one if the stored one is to be cleared, or ``Unchanged``."""
        entry = value if isinstance(value, Entry) else Entry(value)
        if entry.clear and not entry.is_blank:
            raise ValidationError(self.error_messages["contradiction"], code="contradiction")
        if entry.clear:
            return self.cleared
        if entry.is_blank and token is not None:
            return Unchanged(str(token))
        return self.base.clean(entry.typed)

    def _clean_bound_field(self, bf: MaskedBoundField) -> Any:
        if self.disabled:
            return Unchanged(bf.token and str(bf.token))
        return bf.take(self.clean(bf.data, bf.token))

    def has_changed(self, initial: Any, data: Any) -> bool:
        if isinstance(initial, Token) or not isinstance(data, Entry):
            return isinstance(data, Entry) and (data.clear or not data.is_blank)
        return self.base.has_changed(initial, data.typed)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return self.base.bound_data(data, initial)

    def prepare_value(self, value: Any) -> Any:
        return self.base.prepare_value(value)


class MaskedBoundField(BoundField):
    """A masked field of a model form. Its initial value is the reference token, never the plaintext."""

    field: MaskedField

    @cached_property
    def initial(self) -> Any:
        if self.original is not None:
            stored = self.field.field.value_from_object(self.original)
        else:
            stored = self.form.initial.get(self.name)
        return stored if isinstance(stored, Token) else super().initial

    @property
    def original(self) -> Any:
        """The object that the form makes a copy of (the admin's ``save_as``)."""
        return getattr(self.form, "altr_original", None)

    @property
    def token(self) -> Token | None:
        """The reference token of the stored value, if there is one."""
        return self.initial if isinstance(self.initial, Token) else None

    def _has_changed(self) -> bool:
        # A copied value is a new one, for a form whose object is new.
        copied = self.original is not None and self.token is not None and not self.data.clear
        return copied or bool(super()._has_changed())  # type: ignore[misc]

    def value(self) -> Any:
        instance = self.original or getattr(self.form, "instance", None)
        if not self.form.is_bound:
            return Shown(self.token, None if self.token else self.field.prepare_value(self.initial), instance)
        entry = Entry() if self.field.disabled else self.data
        typed = None
        if not entry.is_blank or self.token is None:
            typed = self.field.prepare_value(self.field.bound_data(entry.typed, None))
        return Shown(self.token, typed, instance, entry.clear, bool(self.errors))

    def take(self, value: Any) -> Any:
        """Give a new value to the form's instance at once, in the place of a stored one that was not read.

        A model form would read the stored value, to see whether the new one differs.
        """
        form: Any = self.form
        if self.original is not None:
            return form.altr_copied(self.name) if isinstance(value, Unchanged) else value
        if not isinstance(value, Unchanged) and self.token is not None:
            setattr(form.instance, self.field.field.name, value)
        return value


def _offer_no_change(formfield: forms.Field) -> None:
    """Give the widget a way to say that nothing new was chosen."""
    widget = formfield.widget
    if isinstance(widget, forms.CheckboxInput | forms.NullBooleanSelect):
        formfield.widget = forms.Select(choices=[("", "---------"), ("True", _("Yes")), ("False", _("No"))])
    elif isinstance(widget, forms.Select | forms.RadioSelect) and not widget.allow_multiple_selected:
        choices = list(widget.choices)
        if all(value not in ("", None) for value, _label in choices):
            widget.choices = [("", "---------"), *choices]
