"""Erasure of a data subject: the values of rows are deleted from their vaults, and the rows say so."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Model, QuerySet

from ..exceptions import AltrError, NotSupported
from ..fields.cells import ValueToken
from ..markers import ERASED, erased_marker, is_erased
from .holders import Holder, held, holders
from .journal import DELETED, batches, journal_of
from .watch import unwatched

if TYPE_CHECKING:
    from ..fields import TokenizedField

__all__ = ["Erasure", "HeldElsewhere", "NoToken", "NotErased", "erase"]


class HeldElsewhere(AltrError):
    """Other rows or fields hold the same tokens; erasing would make them unreadable. ``holders`` says which."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        self.holders = tuple(holders)
        super().__init__(
            f"{len(holders)} other values have the same reference tokens. Nothing was erased. Erase them, too "
            f"(--everywhere), or give them tokens of their own by assigning them anew."
        )


class NoToken(AltrError):
    """A row holds something that is no reference token, such as plaintext that was never tokenized."""

    def __init__(self, each: TokenizedField, pk: Any) -> None:
        super().__init__(
            f"{each} of the row with the primary key {pk!r} holds something that is no reference token. Nothing was "
            f"erased. Tokenize the column first, or set the vault's option 'token_pattern' if its tokens differ."
        )


class NotErased(AltrError):
    """The vault still gives values that it said it deleted."""


@dataclass
class Erasure:
    """What is to be erased: the values that these rows hold in these fields."""

    rows: QuerySet[Any]
    fields: Sequence[TokenizedField]
    holders: list[Holder] = field(default_factory=list)
    others: list[Holder] = field(default_factory=list)
    already_erased: int = 0
    row_count: int = 0

    def collect(self) -> None:
        """Look at the rows, and for other rows that hold the same tokens. Writes nothing, asks no vault."""
        self.holders, self.already_erased, self.row_count = [], 0, 0
        for instance in self.rows.iterator():
            self.row_count += 1
            for each in self.fields:
                self._add(instance, each)
        own = {_place(holder) for holder in self.holders}
        self.others = [holder for holder in self._all_holders() if _place(holder) not in own]

    def _add(self, instance: Model, each: TokenizedField) -> None:
        token = instance.__dict__[each.attname]
        if is_erased(token):
            self.already_erased += 1
        elif token:
            key = getattr(instance, _primary_key(each))
            if not _is_token(each, token):
                raise NoToken(each, key)
            self.holders.append(Holder(each, self.rows.db, key, str(token)))

    def _all_holders(self) -> Iterator[Holder]:
        for vault, tokens in self.tokens().items():
            yield from holders(vault, tokens)

    def tokens(self) -> dict[str, set[str]]:
        """Return the tokens to delete, by vault."""
        tokens: dict[str, set[str]] = defaultdict(set)
        for holder in self.holders:
            tokens[holder.field.vault].add(holder.token)
        return tokens


def _is_token(each: TokenizedField, text: str) -> bool:
    from ..backends import vaults

    return vaults[each.vault].is_token(str(text))


def _primary_key(each: TokenizedField) -> str:
    # A child of multi-table inheritance has the attribute of its parent's key, too.
    return str(each.model._meta.pk.attname)


def _place(holder: Holder) -> tuple[str, str, Any]:
    return holder.using, str(holder.field), holder.pk


def erase(erasure: Erasure, *, everywhere: bool = False) -> dict[str, Any]:
    """Delete the values from their vaults, verify it, mark the rows; return the proof, ready for JSON.

    What other rows hold is refused (``HeldElsewhere``) or, with ``everywhere``, erased as well. The vault comes first:
    an erasure that is interrupted leaves rows whose tokens the vault does not know, and the next one marks them.
    Raises ``NotSupported`` where a vault cannot delete (nothing was done), ``NotErased``, and what vaults raise.
    """
    with transaction.atomic(using=erasure.rows.db):
        erasure.collect()
        _check(erasure, everywhere)
        tokens = erasure.tokens()
        for vault, some in tokens.items():
            _delete(vault, some)
        for holder in [*erasure.holders, *erasure.others]:
            _mark(holder)
    for vault, some in tokens.items():
        _verify(vault, some)
        _record(vault, erasure)
    return _proof(erasure)


def _check(erasure: Erasure, everywhere: bool) -> None:
    from ..backends import vaults

    for vault in erasure.tokens():
        if not vaults[vault].supports_delete:
            raise NotSupported(f"The vault {vault!r} cannot delete tokens: nothing was erased.")
    for each in erasure.fields:
        if each.max_length is not None and each.max_length < len(erased_marker("")):
            raise NotSupported(f"The column of {each} is too short for {ERASED!r} and a hash: nothing was erased.")
    if erasure.others and not everywhere:
        raise HeldElsewhere(erasure.others)


def _delete(vault: str, tokens: set[str]) -> None:
    from ..backends import vaults

    vaults[vault].delete_many(sorted(tokens))
    if still := len(vaults[vault].find_many(sorted(tokens))):
        raise NotErased(f"The vault {vault!r} still gives {still} of {len(tokens)} values that it said it deleted.")


def _mark(holder: Holder) -> None:
    each = holder.field
    rows: QuerySet[Any] = QuerySet(each.model, using=holder.using)
    marker = ValueToken(erased_marker(holder.token), each)
    with unwatched():
        rows.filter(pk=holder.pk, **{f"{each.name}__token": holder.token}).update(**{each.name: marker})


def _verify(vault: str, tokens: set[str]) -> None:
    """Look again, after the commit: neither the vault nor a row knows the tokens."""
    from ..backends import vaults

    for batch in batches(sorted(tokens), 1000):
        if len(vaults[vault].find_many(batch)) or held(vault, batch):
            raise NotErased(f"A row or the vault {vault!r} still has tokens that were erased. Run the erasure again.")


def _record(vault: str, erasure: Erasure) -> None:
    if (journal := journal_of(vault)) is not None:
        tokens: dict[str, set[str]] = defaultdict(set)
        for holder in erasure.holders:
            if holder.field.vault == vault:
                tokens[str(holder.field)].add(holder.token)
        journal.record(DELETED, tokens)


def _proof(erasure: Erasure) -> dict[str, Any]:
    tokens = erasure.tokens()
    return {
        "erased_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": erasure.rows.model._meta.label,
        "database": erasure.rows.db,
        "fields": [str(each) for each in erasure.fields],
        "rows": erasure.row_count,
        "values": len(erasure.holders),
        "values_of_other_rows": len(erasure.others),
        "values_erased_before": erasure.already_erased,
        "vaults": {vault: len(some) for vault, some in tokens.items()},
        "tokens": sum(map(len, tokens.values())),
        "tokens_sha256": sorted(
            hashlib.sha256(token.encode()).hexdigest() for some in tokens.values() for token in some
        ),
        "verified": True,
    }
