"""The contract of the vault backends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypedDict

from ..exceptions import DetokenizationBlocked, NotSupported, TokenNotFound

__all__ = ["BaseBackend", "TokenStatus", "no_detokenization"]

_blocked: ContextVar[bool] = ContextVar("django_altr_detokenization_blocked", default=False)


@contextmanager
def no_detokenization() -> Iterator[None]:
    """Make every detokenization inside the block raise ``DetokenizationBlocked`` (this thread or task only)."""
    reset = _blocked.set(True)
    try:
        yield
    finally:
        _blocked.reset(reset)


class TokenStatus(TypedDict):
    """What ``GET /api/v1/single/T/status`` says of a token."""

    token_active: bool
    data_protected: bool
    data_available: bool


class BaseBackend:
    """A vault: text in, reference tokens out, and back.

    Subclasses implement ``tokenize_many`` and ``find_many`` and set the capability flags; what a flag denies raises
    ``NotSupported``. A backend is shared by all threads of a process.
    """

    #: Values in one batch request.
    max_values: ClassVar[int] = 1024
    #: Bytes of UTF-8 of one value, ``None`` if the vault sets no limit.
    max_value_bytes: ClassVar[int | None] = None
    #: Characters of the longest reference token that the vault makes.
    max_token_length: ClassVar[int] = 255
    supports_metadata: ClassVar[bool] = False
    supports_status: ClassVar[bool] = False
    supports_deterministic: ClassVar[bool] = False
    supports_delete: ClassVar[bool] = False
    #: What a reference token looks like; only used to catch plaintext that is about to be stored as a token.
    token_pattern: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z]+_[A-Za-z0-9+/=._~-]{16,}")

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        self.alias = alias
        self.params = params
        self.options: Mapping[str, Any] = params.get("OPTIONS", {})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    def tokenize_many(
        self,
        values: Iterable[str],
        *,
        metadata: str | Sequence[str | None] | None = None,
        deterministic: bool = False,
    ) -> list[str]:
        """Store the values; return their reference tokens in the same order.

        ``metadata`` is one string for all values or a sequence with one entry a value.
        """
        raise NotImplementedError

    def find_many(self, tokens: Iterable[str]) -> dict[str, str]:
        """Return the plaintext of the tokens that the vault knows; the others are left out."""
        raise NotImplementedError

    def detokenize_many(self, tokens: Iterable[str]) -> dict[str, str]:
        """Return the plaintext of all tokens, or raise ``TokenNotFound`` with the unknown ones."""
        wanted = list(dict.fromkeys(tokens))
        found = self.find_many(wanted)
        if missing := [token for token in wanted if token not in found]:
            raise TokenNotFound(missing)
        return found

    def delete_many(self, tokens: Iterable[str]) -> None:
        """Delete the tokens and their data; tokens that are gone already are no error."""
        raise NotSupported(f"The vault {self.alias!r} ({type(self).__name__}) cannot delete tokens.")

    def metadata(self, token: str) -> str | None:
        """Return the metadata as originally sent, ``None`` if there is none."""
        raise NotSupported(f"The vault {self.alias!r} ({type(self).__name__}) keeps no metadata.")

    def status(self, token: str) -> TokenStatus:
        """Return the status of a token."""
        raise NotSupported(f"The vault {self.alias!r} ({type(self).__name__}) tells no token status.")

    def is_token(self, text: str) -> bool:
        """Tell whether the text has the shape of a reference token (the vault is not asked)."""
        return bool(self.token_pattern.fullmatch(text))

    def close(self) -> None:
        """Release connections and threads."""

    def check_detokenization_allowed(self) -> None:
        if _blocked.get():
            raise DetokenizationBlocked("This code runs inside no_detokenization(): it must not read plaintext.")
