"""A canary: a text that is found again wherever it went, byte for byte and in the usual encodings."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Canary"]


@dataclass(frozen=True)
class Canary:
    """``word`` survives every escaping, ``strange`` shows each of them; ``text`` holds both."""

    word: str
    strange: str = " <Ä&\"ß'>"

    @property
    def text(self) -> str:
        return self.word + self.strange

    def __repr__(self) -> str:
        # For pytest's own messages.
        return "<canary>"

    def found_in(self, data: bytes | str) -> list[str]:
        """Return the names of the encodings in which the data holds the canary."""
        haystack = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        folded = haystack.lower()
        return [name for name, needle in self._needles() if needle.lower() in folded]

    def _needles(self) -> Iterator[tuple[str, bytes]]:
        raw = self.word.encode()
        yield "utf-8", raw
        yield "reversed", raw[::-1]
        yield "utf-16", self.word.encode("utf-16-le")
        yield "utf-32", self.word.encode("utf-32-le")
        yield "hex", raw.hex().encode()
        yield "decimal", ", ".join(map(str, raw)).encode()
        for shift in range(3):
            # Where it begins within a group of three bytes; the outer characters depend on the neighbours.
            yield "base64", base64.b64encode(bytes(shift) + raw)[4 if shift else 0 : -4]
        yield from self._escaped()

    def _escaped(self) -> Iterator[tuple[str, bytes]]:
        strange = self.strange
        yield "utf-8", strange.encode()
        yield "latin-1", strange.encode("latin-1")
        yield "JSON", json.dumps(strange)[1:-1].encode()
        yield "JSON in JSON", json.dumps(json.dumps(strange)[1:-1])[1:-1].encode()
        yield "percent", urllib.parse.quote(strange).encode()
        yield "form", urllib.parse.quote_plus(strange).encode()
        yield "HTML", html.escape(strange).encode()
        yield "repr of bytes", repr(strange.encode())[2:-1].encode()
        yield "repr of text", ascii(strange)[1:-1].encode()
