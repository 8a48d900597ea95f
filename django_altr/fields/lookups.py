"""What a tokenized field can be filtered by, and what may be written to it by an expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldError
from django.db.models import Case, CharField, ExpressionWrapper, Max, Min, Subquery, Transform, Value, When
from django.db.models.expressions import Col
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import Exact, In
from django.db.models.sql import Query

from .cells import Pending, Sought, Token

if TYPE_CHECKING:
    from . import TokenizedField

__all__ = ["PlaintextExact", "PlaintextIn", "TokenTransform", "check_stores_tokens", "refuse_lookup"]


class TokenTransform(Transform):
    """``filter(ssn__token="chain_...")``: the reference token itself, as text."""

    lookup_name = "token"
    output_field = CharField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **kwargs: Any) -> Any:
        return compiler.compile(self.lhs)


def refuse_lookup(field: TokenizedField, lookup_name: str) -> FieldError:
    """Return the error for a lookup that cannot work on tokens."""
    can = f"{field.name}__isnull and {field.name}__token"
    if field.deterministic:
        return FieldError(f"{field} is tokenized: {lookup_name!r} cannot see its plaintext. Use exact, in, {can}.")
    return FieldError(
        f"{field} is tokenized: {lookup_name!r} cannot see its plaintext. Use {can}; exact and in need "
        f"TokenizedField(..., deterministic=True)."
    )


def _sought(lookup: Any, value: Any) -> Any:
    """Return what the column is compared with: a reference token, or a plaintext that becomes one."""
    field = lookup.lhs.output_field
    if value is None or field.is_empty(value) or isinstance(value, Token):
        return value if value is None else str(value)
    if isinstance(value, Pending):  # a validation of uniqueness compares cells
        value = value.value
    elif hasattr(value, "resolve_expression") and not isinstance(value, Value):
        return value  # checked when it is resolved, in _check_column
    elif isinstance(value, Value):
        value = value.value
    if not field.deterministic:
        lookup.rhs = None  # an error report shows it, and the variables of this frame
        del value
        raise refuse_lookup(field, lookup.lookup_name)
    return Sought(field, value)


def _check_comparable(lookup: Any) -> None:
    rhs = lookup.rhs
    if hasattr(rhs, "resolve_expression") and not isinstance(rhs, Pending):
        stored = _column_field(rhs)
        field = lookup.lhs.output_field
        if stored is not None and not _same_tokens(field, stored):
            raise FieldError(f"{field} and {stored} cannot be compared: {_SAME_TOKENS}")


class PlaintextExact(Exact):
    """Equality with a plaintext, by its deterministic token."""

    def get_prep_lookup(self) -> Any:
        self.rhs = _sought(self, self.rhs)
        _check_comparable(self)
        return self.rhs

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        return "%s", [value]


class PlaintextIn(In):
    """One of several plaintexts, by their deterministic tokens."""

    def get_prep_lookup(self) -> Any:
        if not self.rhs_is_direct_value():
            prepared = super().get_prep_lookup()
            _check_comparable(self)
            return prepared
        return [_sought(self, value) for value in self.rhs]

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        return "%s", list(value)


_SAME_TOKENS = "only deterministic fields of one vault have equal tokens for equal values."


def _same_tokens(field: TokenizedField, other: Any) -> bool:
    from . import TokenizedField

    return isinstance(other, TokenizedField) and field.deterministic and _interchangeable(field, other)


def _column_field(expression: Any) -> Any:
    if isinstance(expression, Col):
        return expression.target
    return expression.output_field if isinstance(expression, Subquery | Query) else None


def check_stores_tokens(field: TokenizedField, expression: Any) -> None:
    """Refuse an expression that would write anything but this vault's reference tokens into the column."""
    if not _stores_tokens(field, expression):
        raise FieldError(
            f"{field} stores reference tokens: {type(expression).__name__} could write something else. Give it a "
            f"value, None, F() of a tokenized field of the same vault, or these in Case, Coalesce or Subquery."
        )


def _stores_tokens(field: TokenizedField, expression: Any) -> bool:
    match expression:
        case Pending():
            return True
        case Col():
            return _interchangeable(field, expression.target)
        case Value():
            return expression.value is None or expression.value == "" or isinstance(expression.value, Token)
        case Case():
            results = [case.result for case in expression.cases] + [expression.default]
            return all(_stores_tokens(field, result) for result in results)
        case When():
            return _stores_tokens(field, expression.result)
        case Coalesce() | Cast() | ExpressionWrapper() | Max() | Min():
            return all(_stores_tokens(field, source) for source in expression.get_source_expressions() if source)
        case Subquery() | Query():  # Django 6.1 resolves the first to the second
            return _interchangeable(field, expression.output_field)
    return False


def _interchangeable(field: TokenizedField, other: Any) -> bool:
    from . import TokenizedField

    return (
        isinstance(other, TokenizedField) and other.vault == field.vault and other.deterministic == field.deterministic
    )
