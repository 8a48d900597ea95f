"""The JSON of a batch, both ways, whichever way it is built."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_altr.backends.batch import are_usual_tokens, batch_body, is_encodable, known_texts, parse_batch
from django_altr.redact import Redacted

texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=30)


@given(texts)
@example(["plain"])
@example(['a "quoted" text', "back\\slash", "line\nbreak", "\x7f", "ü", ""])
def test_a_body_is_the_json_of_its_texts_by_position(values: list[str]) -> None:
    body = batch_body(Redacted(values)).reveal()
    assert json.loads(body) == {str(position): value for position, value in enumerate(values)}


@given(st.lists(st.text().filter(str.isprintable), min_size=1, max_size=30))
@example(['a "quoted" text', "back\\slash", "ü", ""])
def test_printable_texts_have_the_same_body_when_that_is_known(values: list[str]) -> None:
    body = batch_body(Redacted(values), printable=True).reveal()
    assert json.loads(body) == {str(position): value for position, value in enumerate(values)}


@given(texts, st.randoms())
def test_an_answer_is_read_by_position_whatever_its_order(values: list[str], random: Random) -> None:
    pairs = [(str(position), value) for position, value in enumerate(values)]
    random.shuffle(pairs)
    found, problem = parse_batch(Redacted(dict(pairs)), len(values), overflow=False)
    assert problem is None
    assert found.reveal() == values


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "no JSON"),
        ([], "no object"),
        ({"0": "a"}, "other keys"),
        ({"0": "a", "1": "b", "2": "c"}, "other keys"),
        ({"0": "a", "2": "b"}, "other keys"),
        ({"0": "a", "1": 1}, "no text"),
        ({"0": "a", "1": ["b"]}, "no text"),
        ({"0": "a", "1": None}, "null without"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_a_problem(answer: object, problem: str) -> None:
    found, said = parse_batch(Redacted(answer), 2, overflow=False)
    assert problem in str(said)
    assert found.reveal() == []


def test_a_null_is_taken_with_the_overflow_flag() -> None:
    assert parse_batch(Redacted({"1": None, "0": "a"}), 2, overflow=True)[0].reveal() == ["a", None]


def test_what_comes_back_as_it_is_is_no_token() -> None:
    assert list(known_texts(["a", "b", "c"], Redacted(["x", "b", None])).reveal()) == [("a", "x"), ("c", None)]


@pytest.mark.parametrize("odd", ["", "a" * 9, "a b", "a\x00", "a\x7f", "ü", "erased:1", 1, None])
def test_one_unusual_token_makes_all_be_looked_at(odd: object) -> None:
    assert are_usual_tokens(Redacted(["chain_1"]), 8)
    assert not are_usual_tokens(Redacted(["chain_1", odd]), 8)


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    assert is_encodable(Redacted(["ü", "😀", None]))
    assert not is_encodable(Redacted(["a", "\ud800"]))
