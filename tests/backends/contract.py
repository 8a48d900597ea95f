"""What every backend must do, whatever is behind it."""

from __future__ import annotations

import pytest

from django_altr.backends.base import BaseBackend, no_detokenization
from django_altr.exceptions import DetokenizationBlocked, NotSupported, TokenNotFound, ValueTooLarge

VALUES = [
    "Ada Lovelace",
    "",
    "0",
    "ä€😀",
    'quote " backslash \\ slash /',
    "line\nbreak\r\n\ttab",
    "\x00\x01",
    " blank ",
]


class BackendContract:
    """Inherit it in ``Test...`` classes whose module has a fixture ``backend``."""

    def test_gives_back_what_was_stored(self, backend: BaseBackend) -> None:
        tokens = backend.tokenize_many(VALUES)
        assert backend.detokenize_many(tokens) == dict(zip(tokens, VALUES, strict=True))

    def test_gives_back_what_was_stored_with_deterministic_tokens(self, backend: BaseBackend) -> None:
        tokens = backend.tokenize_many(VALUES, deterministic=True)
        assert backend.detokenize_many(tokens) == dict(zip(tokens, VALUES, strict=True))

    def test_makes_tokens_that_look_like_tokens(self, backend: BaseBackend) -> None:
        for token in backend.tokenize_many(["a"]) + backend.tokenize_many(["a"], deterministic=True):
            assert backend.is_token(token)
            assert len(token) <= backend.max_token_length

    @pytest.mark.parametrize("text", ["", "Ada", "a@b.de", "DE89370400440532013000", "1999-12-31"])
    def test_takes_no_plaintext_for_a_token(self, backend: BaseBackend, text: str) -> None:
        assert not backend.is_token(text)

    def test_makes_a_token_for_every_occurrence_of_a_value(self, backend: BaseBackend) -> None:
        tokens = backend.tokenize_many(["a", "a", "b"])
        assert len(set(tokens)) == 3

    def test_makes_one_deterministic_token_for_equal_values(self, backend: BaseBackend) -> None:
        first, second, other = backend.tokenize_many(["a", "a", "b"], deterministic=True)
        assert first == second != other
        assert backend.tokenize_many(["a"], deterministic=True) == [first]

    def test_random_and_deterministic_tokens_of_a_value_differ(self, backend: BaseBackend) -> None:
        assert backend.tokenize_many(["a"]) != backend.tokenize_many(["a"], deterministic=True)

    def test_keeps_the_order_of_several_full_batches(self, backend: BaseBackend) -> None:
        values = [f"value {number}" for number in range(2 * backend.max_values + 1)]
        tokens = backend.tokenize_many(values)
        assert list(backend.detokenize_many(tokens).values()) == values

    def test_does_nothing_for_nothing(self, backend: BaseBackend) -> None:
        assert backend.tokenize_many([]) == []
        assert backend.find_many([]) == {}
        assert backend.detokenize_many(iter(())) == {}

    def test_takes_any_iterable(self, backend: BaseBackend) -> None:
        tokens = backend.tokenize_many(text for text in "abc")
        assert list(backend.detokenize_many(iter(tokens)).values()) == ["a", "b", "c"]

    def test_reads_a_token_once_that_is_asked_for_twice(self, backend: BaseBackend) -> None:
        [token] = backend.tokenize_many(["a"])
        assert backend.find_many([token, token]) == {token: "a"}

    def test_leaves_out_unknown_tokens(self, backend: BaseBackend) -> None:
        known, unknown = backend.tokenize_many(["a"])[0], unknown_token(backend)
        assert backend.find_many([unknown, known]) == {known: "a"}

    def test_names_the_unknown_tokens(self, backend: BaseBackend) -> None:
        known, unknown = backend.tokenize_many(["a"])[0], unknown_token(backend)
        with pytest.raises(TokenNotFound) as caught:
            backend.detokenize_many([known, unknown, "no token"])
        assert caught.value.tokens == (unknown, "no token")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ".",
            "..",
            "../batch",
            "a/b",
            "?x=1",
            "#",
            "%2e%2e",
            "a\nb",
            "\x00",
            "é",
            "Ada Lovelace",
            "x" * 2000,
            "\ud800",
        ],
    )
    def test_takes_a_tampered_column_for_an_unknown_token(self, backend: BaseBackend, text: str) -> None:
        [token] = backend.tokenize_many(["a"])
        assert backend.find_many([text, token]) == {token: "a"}

    def test_accepts_str_subclasses_as_tokens(self, backend: BaseBackend) -> None:
        class Token(str):
            __slots__ = ()

        [token] = backend.tokenize_many(["a"])
        [found] = backend.find_many([Token(token)])
        assert type(found) is str

    @pytest.mark.parametrize("value", [1, None, b"bytes"])
    def test_refuses_values_that_are_no_text(self, backend: BaseBackend, value: object) -> None:
        with pytest.raises(ValueError, match="must be str"):
            backend.tokenize_many(["a", value])  # type: ignore[list-item]

    def test_refuses_lone_surrogates(self, backend: BaseBackend) -> None:
        with pytest.raises(ValueError, match="Value 0 of 1 .* surrogate"):
            backend.tokenize_many(["canary \ud800"])

    def test_refuses_values_over_its_limit(self, backend: BaseBackend) -> None:
        too_large = []
        if backend.max_value_bytes is not None:
            too_large.append("é" * (backend.max_value_bytes // 2 + 1))
        if backend.max_value_characters is not None:
            too_large.append("é" * (backend.max_value_characters + 1))
        for value in too_large:
            with pytest.raises(ValueTooLarge, match="at most"):
                backend.tokenize_many(["a", value])

    def test_stores_values_at_its_limit(self, backend: BaseBackend) -> None:
        value = "é" * (backend.max_value_characters or (backend.max_value_bytes or 6000) // 2)
        [token] = backend.tokenize_many([value])
        assert backend.find_many([token]) == {token: value}

    def test_refuses_deterministic_values_over_its_limit(self, backend: BaseBackend) -> None:
        if backend.max_deterministic_bytes is None:
            pytest.skip("no such limit")
        with pytest.raises(ValueTooLarge, match="deterministic"):
            backend.tokenize_many(["x" * (backend.max_deterministic_bytes + 1)], deterministic=True)

    @pytest.mark.parametrize(
        "label", ["shop.Customer.ssn", "", " outer ", "ä€😀", "UTF-8''x", "100%25", 'a;b="c", d', "x" * 4096]
    )
    def test_gives_back_metadata_as_it_was_sent(self, backend: BaseBackend, label: str) -> None:
        if not backend.supports_metadata:
            pytest.skip("keeps no metadata")
        [token] = backend.tokenize_many(["a"], metadata=label)
        assert backend.metadata(token) == label

    def test_takes_metadata_for_each_value(self, backend: BaseBackend) -> None:
        tokens = backend.tokenize_many(["a", "b", "c"], metadata=["x", None, "z"])
        assert list(backend.detokenize_many(tokens).values()) == ["a", "b", "c"]
        if backend.supports_metadata:
            assert [backend.metadata(token) for token in tokens] == ["x", None, "z"]

    def test_keeps_no_metadata_with_deterministic_tokens(self, backend: BaseBackend) -> None:
        [token] = backend.tokenize_many(["a"], metadata="x", deterministic=True)
        if backend.supports_metadata:
            assert backend.metadata(token) is None

    @pytest.mark.parametrize(
        "label", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "\x7f", "a\tb", "x" * 4097, "é" * 1000, "\ud800", 1]
    )
    def test_refuses_metadata_that_no_header_can_carry(self, backend: BaseBackend, label: str) -> None:
        with pytest.raises(ValueError, match="Metadata"):
            backend.tokenize_many(["a"], metadata=[label])

    def test_refuses_a_wrong_number_of_metadata_entries(self, backend: BaseBackend) -> None:
        with pytest.raises(ValueError, match="1 entries for 2 values"):
            backend.tokenize_many(["a", "b"], metadata=["x"])

    def test_says_that_an_unknown_token_has_no_metadata(self, backend: BaseBackend) -> None:
        for token in (unknown_token(backend), "../batch", ""):
            with pytest.raises(TokenNotFound if backend.supports_metadata else NotSupported):
                backend.metadata(token)

    def test_tells_the_status_of_a_token(self, backend: BaseBackend) -> None:
        [token] = backend.tokenize_many(["a"])
        if not backend.supports_status:
            with pytest.raises(NotSupported):
                backend.status(token)
        else:
            assert backend.status(token) == {"token_active": True, "data_protected": True, "data_available": True}

    def test_deletes_tokens(self, backend: BaseBackend) -> None:
        doomed, kept = backend.tokenize_many(["a", "b"])
        if not backend.supports_delete:
            with pytest.raises(NotSupported, match="cannot delete"):
                backend.delete_many([doomed])
            return
        backend.delete_many([doomed, doomed])
        assert backend.find_many([doomed, kept]) == {kept: "b"}

    def test_deletes_what_is_left_when_some_tokens_are_gone(self, backend: BaseBackend) -> None:
        if not backend.supports_delete:
            pytest.skip("cannot delete")
        tokens = backend.tokenize_many(["a", "b", "c"])
        backend.delete_many(tokens[:1])
        backend.delete_many([*tokens, unknown_token(backend), "no token"])
        assert backend.find_many(tokens) == {}

    def test_makes_a_new_token_for_a_deleted_deterministic_value(self, backend: BaseBackend) -> None:
        if not backend.supports_delete:
            pytest.skip("cannot delete")
        before = backend.tokenize_many(["a"], deterministic=True)
        backend.delete_many(before)
        assert backend.tokenize_many(["a"], deterministic=True) != before

    def test_reads_nothing_inside_no_detokenization(self, backend: BaseBackend) -> None:
        [token] = backend.tokenize_many(["a"])
        with no_detokenization(), pytest.raises(DetokenizationBlocked):
            backend.find_many([token])
        assert backend.find_many([token]) == {token: "a"}

    def test_shows_neither_settings_nor_values(self, backend: BaseBackend) -> None:
        shown = f"{backend!r} {vars(backend)!r}"
        assert "secret" not in shown
        assert backend.alias in repr(backend)


def unknown_token(backend: BaseBackend) -> str:
    """Return a token that has the vault's shape and that it does not know."""
    [token] = backend.tokenize_many(["gone"])
    head, _, tail = token.partition("_")
    return f"{head}_{'0' * len(tail)}"
