"""What an instance holds for a tokenized field: ``instance.__dict__[attname]`` is one cell.

A cell is ``None``, ``""``, a reference token (a plain ``str`` as it came from the database, or a ``Token`` that also
knows its plaintext), or a ``Pending`` plaintext that has no token yet.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from operator import attrgetter
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db.models import Model
from django.db.models.expressions import BaseExpression
from django.db.models.query_utils import DeferredAttribute
from django.db.models.sql import InsertQuery, UpdateQuery

from ..exceptions import TokenNotFound
from ..markers import ERASED, is_erased
from .codecs import decode, encode

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

    from . import TokenizedField

__all__ = [
    "BoundToken",
    "CellAttribute",
    "Pending",
    "Sought",
    "Token",
    "ValueToken",
    "cell_of",
    "cells_of",
    "is_unloaded",
    "text_token_type",
]


class _Peeking(threading.local):
    on = False


_peeking = _Peeking()


class CellAttribute(DeferredAttribute):
    """``instance.<name>_token``: the cell. Where the column is deferred it is read from the database, as any is."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if _peeking.on and instance is not None:
            return None
        return super().__get__(instance, cls)


def cells_of(instances: Iterable[Model], attname: str) -> list[Any]:
    """Return the instances' cells; ``None`` for one that is deferred.

    ``__dict__`` would tell, too. But to ask for it makes Python build a dictionary for the instance, which takes longer
    than all else that is done for a row, and is one more object to collect.
    """
    _peeking.on = True
    try:
        return list(map(attrgetter(attname), instances))
    finally:
        _peeking.on = False


def cell_of(instance: Model, attname: str) -> Any:
    """Return the instance's cell; ``None`` if it is deferred."""
    _peeking.on = True
    try:
        return getattr(instance, attname)
    finally:
        _peeking.on = False


#: The value of a token that was not decoded yet.
UNSET: Any = object()
_IMMUTABLE = (str, bytes, int, float, Decimal, date, time, timedelta, UUID, type(None))


class Token(str):
    """A reference token that may know its plaintext. Its text, ``repr`` and pickle are the reference only.

    Without a constructor, for ``str``'s own is the fastest: tokens are made as ``ValueToken`` or ``text_token_type``.
    """

    __slots__ = ()

    _field: TokenizedField
    _missing: bool
    _text: str | None
    _value: Any

    @property
    def is_loaded(self) -> bool:
        return self._text is not None or is_erased(self)

    @property
    def value(self) -> Any:
        """The plaintext as a value of the base field; only where ``is_loaded``."""
        if is_erased(self):
            return self._field.get_erased(self)
        if self._missing:
            raise TokenNotFound([str(self)])
        if self._value is UNSET:
            self._value = decode(self._field.base_field, self._text or "")
        return self._value

    @property
    def is_mutated(self) -> bool:
        """Whether a mutable value (a JSON object) was changed in place since it was read."""
        if self._value is UNSET or isinstance(self._value, _IMMUTABLE):
            return False
        return encode(self._field.base_field, self._value) != self._text

    def holds(self, value: Any) -> bool:
        """Whether the plaintext is known and equals the value."""
        if self._text is None or value is None:
            return False
        try:
            return encode(self._field.base_field, value) == self._text
        except ValueError:
            return False

    def with_value(self, value: Any) -> Token:
        return ValueToken(self, self._field, self._text, value)

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Token:
        value = self._value if self._value is UNSET else copy.deepcopy(self._value, memo)
        twin = ValueToken(self, self._field, self._text, value)
        twin._missing = self._missing
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_mutated:
            raise PicklingError(f"{self._field} was changed in place and is not saved yet. Save it before pickling it.")
        return ValueToken, (str(self), self._field)


class ValueToken(Token):
    """A reference token of any field: the plaintext is decoded when it is asked for, and kept."""

    __slots__ = ("_field", "_missing", "_text", "_value")

    def __new__(cls, token: str, field: TokenizedField, text: str | None = None, value: Any = UNSET) -> Self:
        self = str.__new__(cls, token)
        self._field, self._missing, self._text, self._value = field, False, text, value
        return self

    @classmethod
    def missing(cls, token: str, field: TokenizedField) -> Self:
        """A token that the vault does not know: reading it raises ``TokenNotFound`` without asking again."""
        self = cls(token, field, "")
        self._missing = True
        return self


def text_token_type(field: TokenizedField) -> type[Token]:
    """Return a class for the loaded tokens of a text field: they differ in their text only, which is their value.

    ``token_type(token)`` and its ``_text`` take a third of the time of ``ValueToken(...)``, and there is one for each
    value read.
    """
    own: dict[str, Any] = {"__slots__": ("_text",), "_field": field, "_missing": False}
    text_token: type[Token] = type("TextToken", (Token,), own)
    text_token._value = text_token._text
    return text_token


class BoundToken(ValueToken):
    """A reference token that a form can call for the plaintext of its instance."""

    __slots__ = ("_instance",)
    _instance: Model
    do_not_call_in_templates = True

    @classmethod
    def of(cls, token: str, field: TokenizedField, instance: Model) -> BoundToken:
        self = cls(token, field)
        self._instance = instance
        return self

    def __call__(self) -> Any:
        return getattr(self._instance, self._field.name)


def is_unloaded(cell: Any) -> bool:
    """Whether the cell is a reference token whose plaintext is not known yet."""
    if type(cell) is str:  # as a query leaves it
        return cell != "" and not cell.startswith(ERASED)
    if isinstance(cell, Token):
        return not cell.is_loaded
    return isinstance(cell, str) and cell != "" and not is_erased(cell)


class Pending(BaseExpression):
    """A plaintext on its way to the vault; as a parameter of a statement it becomes its reference token.

    Not an ``Expression``: that one would keep its arguments, in sight, for migrations.
    """

    # Slots: ``vars()`` does not show them, and Python needs no dictionary for each value.
    __slots__ = ("_plaintext", "cell", "flush", "instance", "output_field")

    output_field: TokenizedField
    instance: Model | None
    #: What takes this one's place once it is tokenized: a token that knows its plaintext, or ``""``.
    cell: Token | str | None
    #: Tokenizes this and whatever goes with it, in one go.
    flush: Callable[[], None] | None

    do_not_call_in_templates = True
    contains_aggregate = False
    contains_over_clause = False
    contains_column_references = False
    contains_subquery = False

    def __init__(self, field: TokenizedField, value: Any, instance: Model | None = None) -> None:
        self.output_field = field
        self._plaintext = value
        self.instance = instance
        self.cell = self.flush = None

    @property
    def field(self) -> TokenizedField:
        return self.output_field

    @property
    def token(self) -> str | None:
        """The reference token, ``None`` as long as there is none, ``""`` for an empty text."""
        return None if self.cell is None else str(self.cell)

    @property
    def value(self) -> Any:
        """The plaintext."""
        return self._plaintext

    def text(self) -> str:
        """The plaintext as it is sent to the vault. Raises ``InvalidValue`` if the base field refuses it."""
        # What nearly every text is comes first. No variable holds it, for an exception's traceback keeps it.
        if type(self._plaintext) is str and self._plaintext.isascii() and self.output_field.text_token is not None:
            return self._plaintext
        return encode(self.field.base_field, self._plaintext)

    def settle(self, token: str, text: str) -> None:
        """Take the reference token that the text got, and let the instance have it."""
        field = self.output_field
        make = field.text_token
        if make is None or self._plaintext is not text:
            cell: Token = ValueToken(token, field, text, self._plaintext)
        else:
            cell = make(token)
            cell._text = text
        self.give_way(cell)

    def give_way(self, cell: Token | str) -> None:
        """Let the cell take this one's place, also in the instance."""
        self.cell = cell
        attname, instance = self.output_field.attname, self.instance
        if instance is not None and getattr(instance, attname) is self:
            setattr(instance, attname, cell)

    # As an expression

    def resolve_expression(
        self,
        query: Any = None,
        allow_joins: bool = True,
        reuse: Any = None,
        summarize: bool = False,
        for_save: bool = False,
    ) -> Pending:
        if for_save and self.cell is None and self.flush is not None:
            self.flush()
        return self

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:  # type: ignore[override]
        if self.cell is not None:
            return "%s", [self.token]
        if not self._is_stored_by(compiler.query):
            return "%s", [str(self)]  # such as a constraint's validation: it must not write
        from .writes import tokenize_parameters

        # Outermost, and first, so that a wrapper's own context manager still pops its own.
        if tokenize_parameters not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, tokenize_parameters)
        return "%s", [self]

    def _is_stored_by(self, query: Any) -> bool:
        return isinstance(query, UpdateQuery | InsertQuery)

    def __conform__(self, protocol: Any) -> str:
        # SQLite asks when Django's debug cursor quotes a statement's parameters for its log.
        return self.token if self.token is not None else str(self)

    # As a value

    def __call__(self) -> Any:
        return self.value

    def __repr__(self) -> str:
        return f"<pending plaintext of {self.field}>"

    __str__ = __repr__

    @property
    def identity(self) -> Any:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def copy(self) -> Pending:
        return self

    def __copy__(self) -> Pending:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Pending:
        instance = self.instance and memo.get(id(self.instance))
        twin = type(self)(self.field, copy.deepcopy(self.value, memo), instance)
        twin.cell = copy.deepcopy(self.cell, memo)
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        if self.token is None:
            raise PicklingError(f"{self.field} holds plaintext that is not saved yet. Save it before pickling it.")
        return ValueToken, (self.token, self.field)


class Sought(Pending):
    """A plaintext that a lookup looks for: its deterministic token is made when the query runs."""

    def _is_stored_by(self, query: Any) -> bool:
        return True
