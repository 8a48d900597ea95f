"""``TokenizedField``: a model field whose values live in a vault, and whose column holds reference tokens."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property, partialmethod
from typing import Any

from django.core import checks
from django.core.exceptions import FieldError
from django.db import models
from django.utils.encoding import force_str
from django.utils.hashable import make_hashable
from django.utils.translation import gettext_lazy as _

from ..exceptions import TokenErased
from ..lifecycle.watch import is_watched, note_replaced
from ..markers import is_erased
from ..masks import mask_repr
from ..redact import Redacted
from .cells import BoundToken, CellAttribute, Pending, Token, ValueToken, cell_of, is_unloaded, text_token_type
from .codecs import clean, decode, is_text
from .lookups import PlaintextExact, PlaintextIn, TokenTransform, check_stores_tokens, refuse_lookup
from .reads import PlaintextAttribute, TokenCol, load, token_reader
from .rows import track_rows
from .writes import tokenize, tokenize_bulk_writes, tokenize_on_save, tokenized_fields, trusted_token

__all__ = ["TokenizedField"]

#: What the field and its base field have in common; given to either.
_SHARED = (
    "verbose_name",
    "null",
    "blank",
    "default",
    "choices",
    "help_text",
    "editable",
    "error_messages",
    "unique",
    "db_index",
    "db_column",
    "db_comment",
    "db_tablespace",
    "primary_key",
    "unique_for_date",
    "unique_for_month",
    "unique_for_year",
)


class _Label:
    """The default of ``metadata``: the field's label."""

    def __repr__(self) -> str:
        return "<label>"


_LABEL: Any = _Label()

#: What ``on_delete`` can be.
_ON_DELETE = ("keep", "delete")

Metadata = str | Callable[[Any, "TokenizedField"], str | None] | None


class TokenizedField(models.CharField):  # type: ignore[type-arg]
    """Keep the values of ``base_field`` in an ALTR vault, and their reference tokens in the column.

    ``instance.<name>`` is the plaintext, a value of the base field, read from the vault when it is first touched, for
    all rows of the query at once. ``instance.<name>_token`` is the reference token, and costs nothing.

    :param base_field: an instance of any concrete model field; ``TextField()`` if left out. Its ``null``, ``default``,
        ``choices`` and so on are the field's own.
    :param vault: an alias of ``settings.ALTR``.
    :param metadata: what PutData stores beside the value, in ``X-ALTR-METADATA``: a string, or a callable
        ``(instance, field) -> str | None`` (``QuerySet.update()`` has no instance: ``None``). By default the label
        ``"app_label.Model.field"``. ``None`` sends none, and lets values travel in batches.
    :param deterministic: equal values get equal tokens, so that ``exact`` and ``in`` can find them. Such values are
        written in batches, which carry no metadata.
    :param max_length: characters of the column, which has to hold the vault's reference tokens.
    :param on_delete: ``"keep"``, or ``"delete"``: values that are replaced or whose row is deleted are deleted from the
        vault too, after the transaction's commit, unless another row holds their token.
    :param erased: what reading gives once ``altr_erase`` erased the value; by default it raises ``TokenErased``.
    """

    descriptor_class = CellAttribute
    description = _("Tokenized value (reference token of up to %(max_length)s characters)")

    def __init__(
        self,
        base_field: models.Field[Any, Any] | None = None,
        *,
        vault: str = "default",
        metadata: Metadata = _LABEL,
        deterministic: bool = False,
        max_length: int = 255,
        on_delete: str = "keep",
        erased: Any = models.NOT_PROVIDED,
        **kwargs: Any,
    ) -> None:
        if on_delete not in _ON_DELETE:
            raise ValueError(f"on_delete of a TokenizedField is one of {', '.join(map(repr, _ON_DELETE))}.")
        self.base_field = _rebuilt(models.TextField() if base_field is None else base_field, kwargs)
        self.vault = vault
        self.metadata = metadata
        self.deterministic = deterministic
        self.on_delete = on_delete
        self.erased = erased
        for name in _SHARED:
            kwargs.setdefault(name, _attribute(self.base_field, name))
        super().__init__(max_length=max_length, **kwargs)
        self.empty_strings_allowed = self.base_field.empty_strings_allowed
        #: Whether saving sets the value of a date.
        self.is_automatic: bool = any(getattr(self.base_field, name, False) for name in ("auto_now", "auto_now_add"))

    # The field's place in its model

    def get_attname(self) -> str:
        return f"{self.name}_token"

    def get_attname_column(self) -> tuple[str, str]:
        # The column keeps the name that it had as a plain field.
        return self.get_attname(), self.db_column or self.name

    def set_attributes_from_name(self, name: str) -> None:
        super().set_attributes_from_name(name)
        self.base_field.set_attributes_from_name(name)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        if name == getattr(self, "attname", None):
            # django-simple-history calls its copies of a model's fields by their attnames.
            name = self.name = name.removesuffix("_token")
        displays_itself = f"get_{name}_display" in cls.__dict__
        self.base_field = copy.copy(self.base_field)  # of this model: a child of an abstract one has its own
        super().contribute_to_class(cls, name, private_only)
        self.base_field.model = cls
        setattr(cls, self.name, PlaintextAttribute(self))
        self.__dict__.pop("text_token", None)  # a copy's is that of the original
        mask_repr(cls)
        if self.choices is not None and not displays_itself:
            setattr(cls, f"get_{name}_display", partialmethod(_display, field=self))
        if not cls._meta.abstract:
            track_rows(cls)
            tokenize_on_save()
            tokenize_bulk_writes(cls)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        for shared in _SHARED:
            kwargs.pop(shared, None)
        if self.max_length == 255:
            kwargs.pop("max_length", None)
        if self.vault != "default":
            kwargs["vault"] = self.vault
        if self.metadata is not _LABEL:
            kwargs["metadata"] = self.metadata
        if self.deterministic:
            kwargs["deterministic"] = True
        if self.on_delete != "keep":
            kwargs["on_delete"] = self.on_delete
        if self.erased is not models.NOT_PROVIDED:
            kwargs["erased"] = self.erased
        return name, "django_altr.fields.TokenizedField", [self.base_field.clone()], kwargs

    # Plaintext and tokens

    @property
    def vault_key(self) -> tuple[str, bool, bool]:
        """What has to be equal for values to travel in one call: vault, determinism, whether metadata goes along."""
        return self.vault, self.deterministic, self.metadata is not None and not self.deterministic

    @cached_property
    def empty_value(self) -> Any:
        """The value of an empty text."""
        return decode(self.base_field, "")

    @cached_property
    def text_token(self) -> type[Token] | None:
        """The type of a loaded cell, if the values are texts, just as the vault holds them."""
        kind: Any = type(self.base_field)
        return text_token_type(self) if is_text(kind) else None

    def is_empty(self, value: Any) -> bool:
        """Whether the value is an empty text, which is stored as it is: there is nothing to protect."""
        return isinstance(value, str) and value == "" and self.empty_strings_allowed

    def get_metadata(self, instance: models.Model | None) -> str | None:
        """Return what is stored beside the value of this instance."""
        if self.metadata is _LABEL:
            return f"{self.model._meta.label}.{self.name}"
        if callable(self.metadata):
            return self.metadata(instance, self)
        return self.metadata

    def get_erased(self, marker: str) -> Any:
        """Return what stands for an erased value, or raise ``TokenErased``."""
        if self.erased is models.NOT_PROVIDED:
            raise TokenErased([str(marker)], f"{self}: this value was erased from the vault on purpose (altr_erase).")
        return self.erased

    def is_placeholder(self, value: Any) -> bool:
        """Whether the value is what stands for an erased one: a form that shows it sends it back."""
        return self.erased is not models.NOT_PROVIDED and bool(value == self.erased)

    def get_default(self) -> Any:
        default = super().get_default()
        return Pending(self, default) if default is not None and default != "" else default

    def set_automatic_value(self, instance: models.Model, add: bool) -> None:
        """Set what ``auto_now`` and ``auto_now_add`` of a date set on save."""
        if add or getattr(self.base_field, "auto_now", False):
            self.base_field.pre_save(instance, add)

    def value_from_object(self, obj: models.Model) -> Any:
        cell = getattr(obj, self.attname)
        return (
            BoundToken.of(cell, self, obj) if is_unloaded(cell) or isinstance(cell, Token) or is_erased(cell) else cell
        )

    def value_to_string(self, obj: models.Model) -> str:
        cell = getattr(obj, self.attname)
        if isinstance(cell, Pending) and cell.cell is None:
            raise ValueError(f"{self} holds plaintext that is not saved yet. Save it before serializing it.")
        token: Any = cell.token if isinstance(cell, Pending) else cell
        return str(token) if isinstance(token, str) else token

    def to_python(self, value: Any) -> Any:
        # Called with tokens (fixtures) and with plaintext (user input): it can interpret neither.
        return value

    # Validation and forms

    @property
    def validators(self) -> list[Any]:
        return list(self.base_field.validators)

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        if isinstance(value, Token):
            return value
        if isinstance(value, Pending):
            return Pending(self, clean(self.base_field, Redacted(value.value), model_instance), model_instance)
        plaintext: Redacted[Any] = Redacted(value)
        # A frame that a ValidationError passes through: from here on it shows nothing.
        del value
        if model_instance is not None and plaintext.reveal():
            cell: Any = cell_of(model_instance, self.attname)
            if cell is plaintext.reveal():
                return trusted_token(model_instance, self, cell)
        return clean(self.base_field, plaintext, model_instance)

    def formfield(self, *, masked: bool = False, **kwargs: Any) -> Any:
        """Return the base field's form field; a masked one takes a new value without showing the stored one."""
        from ..forms import MaskedField

        formfield: Any = self.base_field.formfield(**kwargs)
        return MaskedField(self, formfield) if masked else formfield

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        from ..forms import Unchanged

        cell = cell_of(instance, self.attname)
        if isinstance(data, Unchanged) or (isinstance(data, Token) and data == cell):
            return
        if data is not None and data != "" and is_unloaded(cell):
            plaintext = Redacted(data)
            del data
            # So that a value that is what it was writes nothing; all fields at once, for the others come next.
            load(tokenized_fields(type(instance)), [instance])
            data = plaintext.reveal()
        setattr(instance, self.name, data)

    # The column

    def get_internal_type(self) -> str:
        return "CharField"

    def db_parameters(self, connection: Any) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql" and not self.db_collation:
            parameters["collation"] = "utf8mb4_bin"  # tokens are case-sensitive
        return parameters

    def cast_db_type(self, connection: Any) -> str | None:
        # With a length PostgreSQL would cut a longer token off, silently.
        if connection.ops.cast_char_field_without_max_length is not None:
            return connection.ops.cast_char_field_without_max_length  # type: ignore[no-any-return]
        return super().cast_db_type(connection)

    def get_col(self, alias: str, output_field: Any = None) -> Any:
        return TokenCol(alias, self, output_field or self)

    @cached_property
    def cached_col(self) -> Any:
        return TokenCol(self.model._meta.db_table, self, self)

    def get_db_converters(self, connection: Any) -> list[Any]:
        return [token_reader(self)]

    def slice_expression(self, expression: Any, start: int, length: int | None) -> Any:
        raise FieldError(f"{self} is tokenized: its plaintext cannot be sliced in the database.")

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return str(value) if isinstance(value, str) else value

    @property
    def get_placeholder(self) -> Callable[[Any, Any, Any], str]:
        """What Django 5.2 and 6.0 call for each value of a statement; only there where replaced tokens are noted."""
        if not is_watched(self):
            raise AttributeError("get_placeholder")
        return self._noting_placeholder

    @property
    def get_placeholder_sql(self) -> Callable[[Any, Any, Any], tuple[str, Any]]:
        """The same for Django 6.1."""
        if not is_watched(self):
            raise AttributeError("get_placeholder_sql")
        return self._noting_placeholder_sql

    def _noting_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        note_replaced(compiler)
        return "%s"

    def _noting_placeholder_sql(self, value: Any, compiler: Any, connection: Any) -> tuple[str, Any]:
        note_replaced(compiler)
        return compiler.compile(value) if hasattr(value, "as_sql") else ("%s", (value,))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        cell = getattr(model_instance, self.attname)
        if isinstance(cell, Pending):
            if cell.flush is not None:
                cell.flush()
            else:
                cell.instance = model_instance
                tokenize([cell])
            cell = getattr(model_instance, self.attname)
        if isinstance(cell, Token) or not isinstance(cell, str) or not cell:
            return cell
        return ValueToken(cell, self)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, Token):
            return str(value)
        if isinstance(value, Pending):
            return self._prepared(value)
        if hasattr(value, "as_sql"):
            check_stores_tokens(self, value)
            return value
        if value is None or self.is_empty(value):
            return value
        return Pending(self, value)  # QuerySet.update(): becomes a token when the statement runs

    def _prepared(self, pending: Pending) -> Any:
        if pending.cell is None and pending.instance is None:
            raise FieldError(
                f"{self} cannot be added to a table with a default: all rows would share one token. Add it with "
                f"null=True, give each row its value, then make it required."
            )
        return pending if pending.cell is None else pending.token

    # Queries

    def get_lookup(self, lookup_name: str) -> Any:
        lookup = super().get_lookup(lookup_name)
        if lookup_name == "isnull" or lookup is None:
            return lookup
        try:
            return _LOOKUPS[lookup_name]
        except KeyError:
            raise refuse_lookup(self, lookup_name) from None

    def get_transform(self, lookup_name: str) -> Any:
        if lookup_name == "token":
            return TokenTransform
        if self.base_field.get_transform(lookup_name) is not None:
            raise refuse_lookup(self, lookup_name)
        return None

    # Checks

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        from .checks import check_field

        problems = super().check(**kwargs)
        return [*problems, *check_field(self, [problem.id for problem in problems])]


_LOOKUPS = {"exact": PlaintextExact, "in": PlaintextIn}


def _rebuilt(base_field: models.Field[Any, Any], kwargs: dict[str, Any]) -> models.Field[Any, Any]:
    """Return the base field with the options that were given to the tokenized field."""
    shared = {name: value for name, value in kwargs.items() if name in _SHARED}
    _, _, args, own = base_field.deconstruct()
    return type(base_field)(*args, **{**own, **shared})


def _attribute(field: models.Field[Any, Any], name: str) -> Any:
    private = {"verbose_name": "_verbose_name", "error_messages": "_error_messages", "unique": "_unique"}
    return getattr(field, private.get(name, name))


def _display(self: models.Model, field: TokenizedField) -> Any:
    value = getattr(self, field.name)
    choices = dict(make_hashable(field.flatchoices))
    return force_str(choices.get(make_hashable(value), value), strings_only=True)
