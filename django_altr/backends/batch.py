"""The JSON of a batch: an object with positional keys, ``{"0": ..., "1": ...}``, both ways.

Positions, for a token as key costs 1.3 times as much. What is done for each value is done in C, by functions that take
all values of a batch at once: a loop in Python takes longer than the exchange itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from operator import add, eq
from typing import Any, TypeVar

from django_altr.redact import Redacted

__all__ = [
    "MAX_UTF8",
    "Batch",
    "Sliceable",
    "are_usual_tokens",
    "batch_body",
    "characters",
    "encoded_size",
    "is_encodable",
    "known_texts",
    "longest",
    "parse_batch",
    "parts",
]

#: Most values that a batch of any vault can have.
MOST = 4096
#: The keys, what JSON begins an entry with, and what it begins one with that needs no escape.
NAMES = tuple(map(str, range(MOST)))
KEYS = tuple(f'"{name}":' for name in NAMES)
OPENINGS = ('{"0":"', *(f'","{name}":"' for name in NAMES[1:]))
#: Bytes of the longest character in UTF-8.
MAX_UTF8 = 4
#: Bytes around a value in a batch: key of up to four digits, its quotes, colon and comma.
FRAMING = len('"4095":,')

#: What JSON takes as it is, and what tokens nearly always consist of (a marker of an erased value has a colon).
VERBATIM = bytes(range(0x20, 0x7F)).translate(None, b'"\\')
TOKEN_CHARACTERS = VERBATIM.translate(None, b" :")
TEXTS = frozenset({str})
TEXTS_AND_NULLS = frozenset({str, type(None)})
NOTHING: Redacted[list[Any]] = Redacted([])


#: What can be divided.
Sliceable = TypeVar("Sliceable", "Batch", list[str])


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that travel together, and their positions among all of the operation. Slices are batches, too."""

    positions: Sequence[int]
    texts: Redacted[list[str]]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, part: slice) -> Batch:
        return Batch(self.positions[part], Redacted(self.texts.reveal()[part]))


def parts(whole: Sliceable, size: int) -> Iterator[Sliceable]:
    """Divide the whole into parts of some size; the last one may be smaller."""
    return (whole[start : start + size] for start in range(0, len(whole), size))


def characters(texts: Redacted[Collection[str]]) -> int:
    """Return the characters of all texts together."""
    return len("".join(texts.reveal()))


def longest(texts: Redacted[Collection[str]]) -> int:
    """Return the characters of the longest text."""
    return max(set(map(len, texts.reveal())), default=0)


def is_encodable(texts: Redacted[Collection[str | None]]) -> bool:
    """Tell whether UTF-8 can encode all texts: it cannot encode lone surrogates."""
    joined = Redacted("".join(filter(None, texts.reveal())))
    try:
        return joined.reveal().isascii() or bool(joined.reveal().encode())
    except UnicodeEncodeError:
        return False


def are_usual_tokens(texts: Redacted[Collection[Any]], most: int) -> bool:
    """Tell of all texts at once whether they look like tokens; where they don't, only a look at each can tell."""
    if set(map(type, texts.reveal())) != TEXTS:
        return False
    return all(texts.reveal()) and longest(texts) <= most and _consist_of(TOKEN_CHARACTERS, texts)


def _consist_of(characters: bytes, texts: Redacted[Collection[str]]) -> bool:
    joined = Redacted("".join(texts.reveal()))
    return joined.reveal().isascii() and not joined.reveal().encode().translate(None, characters)


def _have_no_escapes(printable: Redacted[Collection[str]]) -> bool:
    joined = Redacted("".join(printable.reveal()))
    return '"' not in joined.reveal() and "\\" not in joined.reveal()


def encoded_size(text: Redacted[str]) -> int:
    """Return the bytes that the text takes in a batch."""
    return len(encode_basestring(text.reveal()).encode()) + FRAMING


def batch_body(texts: Redacted[list[str]], *, printable: bool = False) -> Redacted[bytes]:
    """Return the JSON of up to 4096 texts, in their order; tokens are known to be ``printable``."""
    # No variable here holds a text, for an exception's traceback keeps it.
    if texts.reveal() and (_have_no_escapes(texts) if printable else _consist_of(VERBATIM, texts)):
        return Redacted(f'{"".join(_alternately(OPENINGS, texts).reveal())}"}}'.encode())
    return Redacted(f"{{{','.join(map(add, KEYS, map(encode_basestring, texts.reveal())))}}}".encode())


def _alternately(openings: Sequence[str], texts: Redacted[list[str]]) -> Redacted[list[str]]:
    pieces = Redacted([""] * (2 * len(texts)))
    pieces.reveal()[::2] = openings[: len(texts)]
    pieces.reveal()[1::2] = texts.reveal()
    return pieces


def parse_batch(values: Redacted[Any], count: int, overflow: bool) -> tuple[Redacted[list[Any]], str | None]:
    """Return the texts of an answer (``None`` where the overflow flag allows it) by position, or what is wrong."""
    if not isinstance(values.reveal(), dict):
        return NOTHING, "something that is no JSON" if values.reveal() is None else "JSON that is no object"
    if tuple(values.reveal()) == NAMES[:count]:
        texts = Redacted(list(values.reveal().values()))
    elif values.reveal().keys() == set(NAMES[:count]):
        texts = Redacted(list(map(values.reveal().__getitem__, NAMES[:count])))
    else:
        return NOTHING, f"other keys than the {count} that were sent"
    kinds = set(map(type, texts.reveal()))
    if not kinds <= TEXTS_AND_NULLS:
        return NOTHING, "values that are no text"
    if not overflow and not kinds <= TEXTS:
        return NOTHING, "a null without the overflow flag"
    return texts, None


def known_texts(tokens: list[str], texts: Redacted[list[Any]]) -> Redacted[Iterable[tuple[str, str | None]]]:
    """Return the pairs of an answer, token and text; what is no token comes back as it is, and is left out."""
    pairs = Redacted(zip(tokens, texts.reveal(), strict=True))
    if any(map(eq, tokens, texts.reveal())):
        return Redacted([(token, text) for token, text in pairs.reveal() if text != token])
    return pairs
