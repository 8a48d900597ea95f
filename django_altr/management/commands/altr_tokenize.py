from __future__ import annotations

from collections.abc import Iterator

from django_altr import vaults
from django_altr.fields import InvalidValue, TokenizedField
from django_altr.fields.cells import Pending
from django_altr.fields.codecs import decode
from django_altr.fields.writes import tokenize

from ..columns import ColumnCommand, Row


class Command(ColumnCommand):
    """Tokenize what a column still holds in clear, after a plain field became a ``TokenizedField``.

    What the vault knows as a reference token stays. What looks like a token that the vault does not know is left as it
    is and reported: it may be a lost token or plaintext, and only a person can tell.
    """

    help = "Tokenizes the plaintext that columns still hold after a plain field became a TokenizedField."
    done = "tokenized"
    failure = "neither a token that the vault knows nor a value of the base field; left as it is."

    def convert(self, field: TokenizedField, rows: list[Row]) -> Iterator[tuple[Row, str | None]]:
        vault = vaults[field.vault]
        maybe = [text for _, text in rows if vault.is_token(text)]
        known = set(vault.find_many(maybe)) if maybe else set()
        plain = [row for row in rows if row[1] not in known]
        pendings = {pk: None if vault.is_token(text) else _pending(field, text) for pk, text in plain}
        if not self.dry_run:
            tokenize(pending for pending in pendings.values() if pending)
        for row in plain:
            pending = pendings[row[0]]
            yield row, None if pending is None else pending.token or ""

    def prepare(self, fields: list[TokenizedField], options: dict[str, object]) -> None:
        self.dry_run = bool(options["dry_run"])


def _pending(field: TokenizedField, text: str) -> Pending | None:
    try:
        return Pending(field, decode(field.base_field, text))
    except InvalidValue:
        return None
