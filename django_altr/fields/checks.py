"""System checks of a tokenized field; each id has a section in the documentation."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from django.core import checks
from django.db import models

from ..backends.base import no_detokenization

if TYPE_CHECKING:
    from ..backends import BaseBackend
    from . import TokenizedField

__all__ = ["check_field"]


def check_field(field: TokenizedField, known: Collection[str | None] = ()) -> list[checks.CheckMessage]:
    """Return what is wrong with the options of the field; of its base field's problems, those that are not known."""
    rules = (_options, _uniqueness, _ordering, _metadata, _vault)
    return [*_base_field(field, known), *(problem for rule in rules for problem in rule(field))]


def _error(field: TokenizedField, number: int, message: str, hint: str) -> checks.Error:
    return checks.Error(message, hint=hint, obj=field, id=f"altr.E{number:03}")


def _warning(field: TokenizedField, number: int, message: str, hint: str) -> checks.Warning:
    return checks.Warning(message, hint=hint, obj=field, id=f"altr.W{number:03}")


def _base_field(field: TokenizedField, known: Collection[str | None]) -> Iterator[checks.CheckMessage]:
    from . import TokenizedField

    base = field.base_field
    unfit = (models.AutoField, models.FileField, models.GeneratedField, TokenizedField)
    if base.is_relation or isinstance(base, unfit):
        yield _error(
            field,
            101,
            f"{type(base).__name__} cannot be the base field of a TokenizedField.",
            "Use a field that holds a value of its own. A file's content belongs in a storage.",
        )
        return
    for problem in base.check():
        if problem.id not in known:
            problem.obj = field
            yield problem


def _options(field: TokenizedField) -> Iterator[checks.CheckMessage]:
    if field.primary_key:
        yield _error(
            field,
            102,
            "A TokenizedField cannot be a primary key.",
            "Keep a surrogate key, and make the field unique=True, deterministic=True.",
        )
    if _given(field, "db_default") or _given(field.base_field, "db_default"):
        yield _error(
            field,
            103,
            "A TokenizedField cannot have a db_default: the database cannot make reference tokens.",
            "Use default, which is tokenized for each row.",
        )
    for option in ("unique_for_date", "unique_for_month", "unique_for_year"):
        if getattr(field, option):
            yield _error(field, 104, f"A TokenizedField cannot be {option}.", "Validate it in a form or a serializer.")


def _given(field: Any, option: str) -> bool:
    return getattr(field, option, models.NOT_PROVIDED) is not models.NOT_PROVIDED


def _uniqueness(field: TokenizedField) -> Iterator[checks.CheckMessage]:
    if field.deterministic:
        return
    hint = "Set deterministic=True, so that equal values have equal tokens."
    if field.unique and not field.primary_key:
        yield _error(field, 105, "unique=True means nothing here: every token of this field is different.", hint)
    names = {name for each in field.model._meta.unique_together for name in each}
    for constraint in field.model._meta.constraints:
        names.update(getattr(constraint, "fields", ()))
    if field.name in names:
        yield _error(field, 105, "A unique constraint on this field means nothing: every token is different.", hint)


def _ordering(field: TokenizedField) -> Iterator[checks.CheckMessage]:
    ordered = {str(name).lstrip("-") for name in field.model._meta.ordering or () if isinstance(name, str)}
    if field.name in ordered or field.attname in ordered:
        yield _warning(
            field,
            101,
            "Meta.ordering by this field orders by reference tokens, which say nothing of the values.",
            "Order by another field, or sort in Python after loading.",
        )


def _vault(field: TokenizedField) -> Iterator[checks.CheckMessage]:
    from ..backends import InvalidVaultError, vaults

    try:
        vault = vaults[field.vault]
    except InvalidVaultError:
        yield _error(
            field,
            106,
            f"The vault {field.vault!r} of this field cannot be used.",
            "See the altr checks of settings.ALTR.",
        )
        return
    if field.deterministic and not vault.supports_deterministic:
        yield _error(field, 107, f"The vault {field.vault!r} makes no deterministic tokens.", "Use another vault.")
    if field.max_length is not None and field.max_length < vault.max_token_length:
        yield _error(
            field,
            108,
            f"The column is too short for tokens of the vault {field.vault!r} ({vault.max_token_length} characters).",
            f"Set max_length={vault.max_token_length} or more.",
        )
    yield from _deletion(field, vault)
    yield from _sizes(field, vault)


def _metadata(field: TokenizedField) -> Iterator[checks.CheckMessage]:
    if callable(field.metadata) and _carries_plaintext(field):
        yield _error(
            field,
            111,
            "metadata repeats the field's value, which is shown in clear to whoever may see metadata.",
            "Return a label that tells nothing of the value, such as the primary key.",
        )


#: Stands for a plaintext; as a text of digits it is a value of most base fields.
_CANARY = "8675309421"


def _carries_plaintext(field: TokenizedField) -> bool:
    try:
        with no_detokenization():
            return _CANARY in str(field.get_metadata(field.model(**{field.name: _CANARY})))
    except Exception:  # it needs an instance of another kind, such as a saved one
        return False


def _deletion(field: TokenizedField, vault: BaseBackend) -> Iterator[checks.CheckMessage]:
    if field.on_delete == "delete" and not vault.supports_delete:
        yield _error(
            field,
            109,
            f"on_delete='delete' cannot work: the vault {field.vault!r} cannot delete tokens.",
            "Use another vault, or on_delete='keep'.",
        )


def _sizes(field: TokenizedField, vault: BaseBackend) -> Iterator[checks.CheckMessage]:
    length, width = _longest_text(field.base_field)
    limits = [(vault.max_value_characters, length, "characters"), (vault.max_value_bytes, length * width, "bytes")]
    if field.deterministic:
        limits.append((vault.max_deterministic_bytes, length * width, "bytes for a deterministic token"))
    for most, longest, unit in limits:
        if most is not None and longest > most:
            yield _warning(
                field,
                102,
                f"A {type(field.base_field).__name__} takes longer values than the vault {field.vault!r}: up to "
                f"{longest}, where the vault takes {most} {unit}. Saving a longer one raises ValueTooLarge.",
                "Limit max_length of the base field, or use another vault.",
            )


def _longest_text(base: models.Field[Any, Any]) -> tuple[int, int]:
    """Return the characters of the base field's longest text, and the bytes of UTF-8 that one may take.

    Zero characters where nothing is known: a ``TextField`` has no limit, a number is always short enough.
    """
    longest = getattr(base, "max_length", None) or 0
    if base.choices and not callable(base.choices):
        longest = 0
    if isinstance(base, models.BinaryField):
        return 4 * ((longest + 2) // 3), 1  # as Base64
    ascii_only = isinstance(base, models.SlugField) and not getattr(base, "allow_unicode", False)
    return longest, 1 if ascii_only or not isinstance(base, models.CharField | models.TextField) else 4
