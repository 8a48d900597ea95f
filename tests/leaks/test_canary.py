"""The search finds what it should: else the table of sinks would be worth nothing."""

from __future__ import annotations

import base64
import html
import json
import pickle
import urllib.parse

import pytest

from .canary import Canary

BIRD = Canary("qZ7Canary4711vX")


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "a", "ab"])
def test_finds_it_in_every_place_of_base64(before: str, after: str) -> None:
    data = before + BIRD.text + after
    assert "base64" in BIRD.found_in(base64.b64encode(data.encode()))
    assert "base64" in BIRD.found_in(base64.urlsafe_b64encode(data.encode()))


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("utf-8", f"x{BIRD.text}x".encode()),
        ("utf-8", BIRD.text.upper()),
        ("utf-8", pickle.dumps({"a": [BIRD.text]})),
        ("reversed", BIRD.text[::-1]),
        ("utf-16", BIRD.text.encode("utf-16")),
        ("utf-32", BIRD.text.encode("utf-32-le")),
        ("hex", BIRD.text.encode().hex().upper()),
        ("decimal", str(list(BIRD.text.encode()))),
        ("latin-1", BIRD.text.encode("latin-1")),
        ("JSON", json.dumps(BIRD.strange)),
        ("JSON in JSON", json.dumps(json.dumps(BIRD.strange))),
        ("percent", urllib.parse.quote(BIRD.strange)),
        ("form", urllib.parse.urlencode({"a": BIRD.strange})),
        ("HTML", html.escape(BIRD.strange)),
        ("repr of bytes", repr(BIRD.strange.encode())),
        ("repr of text", ascii(BIRD.strange)),
    ],
)
def test_finds_it_in_the_usual_encodings(encoding: str, data: bytes | str) -> None:
    assert encoding in BIRD.found_in(data)


def test_finds_nothing_where_nothing_is() -> None:
    assert BIRD.found_in(b"chain_" + b"0" * 64 + b"<canary>") == []
