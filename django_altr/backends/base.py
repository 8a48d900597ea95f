"""The contract of the vault backends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, TypedDict
from urllib.parse import quote, unquote

from django_altr.conf import InvalidVaultError, Problem, option_problems
from django_altr.exceptions import DetokenizationBlocked, NotSupported, TokenNotFound, ValueTooLarge
from django_altr.http.forks import reset_after_fork
from django_altr.redact import Redacted

from .batch import MAX_UTF8, is_encodable, longest

__all__ = ["BaseBackend", "TokenStatus", "no_detokenization"]

#: Bytes of metadata as it travels in a header.
MAX_METADATA_BYTES = 4096

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

    Subclasses implement ``put_many`` and ``find_many`` and set the capability flags; what a flag denies raises
    ``NotSupported``. A backend is shared by all threads of a process.
    """

    #: Values in one batch request.
    max_values: ClassVar[int] = 1024
    #: Bytes of UTF-8 of one value, ``None`` if the vault sets no limit.
    max_value_bytes: ClassVar[int | None] = None
    #: Bytes of UTF-8 of one value that gets a deterministic token, ``None`` if the vault sets no limit.
    max_deterministic_bytes: ClassVar[int | None] = None
    #: Characters of one value, ``None`` if the vault sets no limit.
    max_value_characters: ClassVar[int | None] = None
    #: Characters of the longest reference token that the vault makes.
    max_token_length: ClassVar[int] = 255
    supports_metadata: ClassVar[bool] = False
    supports_status: ClassVar[bool] = False
    supports_deterministic: ClassVar[bool] = False
    supports_delete: ClassVar[bool] = False
    #: What a reference token looks like; only used to catch plaintext that is about to be stored as a token.
    token_pattern: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z]+_[A-Za-z0-9+/=._~-]{16,}")
    #: The names that OPTIONS may hold; every backend also takes "journal".
    known_options: ClassVar[frozenset[str]] = frozenset({"token_pattern"})

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        self.alias = alias
        self.params = Redacted(params)
        self.options: Mapping[str, Any] = params.get("OPTIONS") or {}
        #: Called with the documented name of each call before it is sent: ``GetBatch``, ``PutData``, ...
        self.watchers: list[Callable[[str], None]] = []
        # An exception's traceback keeps this frame: it must not keep the secret.
        del params
        if problems := self.config_problems(self.params):
            raise InvalidVaultError(f"ALTR[{alias!r}]: {' '.join(f'{found.text} {found.hint}' for found in problems)}")
        self.setup()
        reset_after_fork(self)
        if pattern := self.options.get("token_pattern"):
            self.token_pattern = re.compile(pattern)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    def setup(self) -> None:
        """Build what the backend needs from ``self.params`` and ``self.options``, which are checked by now."""

    @classmethod
    def config_problems(cls, params: Redacted[Mapping[str, Any]]) -> list[Problem]:
        """Return what makes an entry of ``settings.ALTR`` unusable; the system checks report the same."""
        return option_problems(params.reveal().get("OPTIONS") or {}, cls.known_options | {"journal"})

    def tokenize_many(
        self,
        values: Iterable[str],
        *,
        metadata: str | Sequence[str | None] | None = None,
        deterministic: bool = False,
    ) -> list[str]:
        """Store the values; return their reference tokens in the same order.

        ``metadata`` is one string for all values or a sequence with one entry a value; a vault without
        ``supports_metadata`` ignores it, and no vault keeps any with a deterministic token (the same plaintext
        gives the same token, whoever asks). Raises ``ValueError`` for a value that is no UTF-8 text, and
        ``ValueTooLarge``; nothing was sent then.
        """
        texts = Redacted(list(values))
        # An exception's traceback keeps this frame: from here on only what shows nothing.
        del values
        self.check_values(texts, deterministic=deterministic)
        return self.put_many(texts, self.labels(metadata, len(texts)), deterministic)

    def put_many(self, texts: Redacted[list[str]], labels: list[str | None], deterministic: bool) -> list[str]:
        """Store texts, which are checked by now, with a metadata entry each; return their tokens in the same order."""
        raise NotImplementedError

    def find_many(self, tokens: Iterable[str]) -> dict[str, str]:
        """Return the plaintext of the tokens that the vault knows; the others are left out."""
        raise NotImplementedError

    def detokenize_many(self, tokens: Iterable[str]) -> dict[str, str]:
        """Return the plaintext of all tokens, or raise ``TokenNotFound`` with the unknown ones."""
        wanted = list(dict.fromkeys(tokens))
        found = self.find_many(wanted)
        if missing := [token for token in wanted if token not in found]:
            # An exception's traceback keeps this frame: it must not keep the neighbours' plaintext.
            del found
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

    def report(self, call: str) -> None:
        """Tell the watchers of a call."""
        for watcher in self.watchers:
            watcher(call)

    def close(self) -> None:
        """Release connections and threads."""

    def after_fork(self) -> None:
        """Forget, in a forked child, what belongs to the parent. HTTP clients and worker threads do it themselves."""

    def check_values(self, texts: Redacted[list[str]], *, deterministic: bool = False) -> None:
        """Check that each value is a text that the vault can keep.

        Raises ``ValueError`` or ``ValueTooLarge``, which name the position and the size, never the value.
        """
        if self._are_small_texts(texts, deterministic):
            return
        for position in range(len(texts)):
            if problem := self._problem_of(Redacted(texts.reveal()[position]), deterministic):
                error, reason = problem
                raise error(f"Value {position} of {len(texts)} for the vault {self.alias!r} {reason}")

    def _are_small_texts(self, texts: Redacted[list[str]], deterministic: bool) -> bool:
        """Tell it of all at once; where they are not, only a look at each can tell what is wrong."""
        if not set(map(type, texts.reveal())) <= {str} or not is_encodable(texts):
            return False
        deterministic_limit = self.max_deterministic_bytes if deterministic else None
        limits = [self.max_value_bytes, self.max_value_characters, deterministic_limit]
        most = min((limit for limit in limits if limit is not None), default=None)
        return most is None or longest(texts) * MAX_UTF8 <= most

    def _problem_of(self, value: Redacted[str], deterministic: bool) -> tuple[type[ValueError], str] | None:
        if not isinstance(value.reveal(), str):
            return ValueError, f"must be str, not {type(value.reveal()).__name__}."
        try:
            size = len(value.reveal().encode())
        except UnicodeEncodeError:
            return ValueError, "is no valid text: it holds a lone surrogate, which UTF-8 cannot encode."
        if self.max_value_bytes is not None and size > self.max_value_bytes:
            return ValueTooLarge, f"has {size} bytes; this vault takes at most {self.max_value_bytes}."
        if deterministic and self.max_deterministic_bytes is not None and size > self.max_deterministic_bytes:
            most = self.max_deterministic_bytes
            return ValueTooLarge, f"has {size} bytes; deterministic tokens are for at most {most}."
        characters = len(value.reveal())
        if self.max_value_characters is not None and characters > self.max_value_characters:
            return ValueTooLarge, f"has {characters} characters; this vault takes at most {self.max_value_characters}."
        return None

    def labels(self, metadata: str | Sequence[str | None] | None, count: int) -> list[str | None]:
        """Return one metadata entry a value, after checking each.

        Raises ``ValueError`` for control characters, for over 4096 bytes, or for a wrong number of entries.
        """
        labels = [metadata] * count if metadata is None or isinstance(metadata, str) else list(metadata)
        if len(labels) != count:
            raise ValueError(f"metadata has {len(labels)} entries for {count} values.")
        for label in set(labels):
            if label is not None and (problem := metadata_problem(label)):
                raise ValueError(problem)
        return labels

    def check_detokenization_allowed(self) -> None:
        if _blocked.get():
            raise DetokenizationBlocked("This code runs inside no_detokenization(): it must not read plaintext.")


def metadata_problem(label: object) -> str | None:
    """Tell what makes a metadata string unfit to travel in a header, ``None`` if nothing does."""
    if not isinstance(label, str):
        return f"Metadata must be str or None, not {type(label).__name__}."
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in label):
        return "Metadata must not hold control characters (line breaks, tabs, NUL): it travels in an HTTP header."
    if any(0xD800 <= ord(character) < 0xE000 for character in label):
        return "Metadata must be valid text: it holds a lone surrogate, which UTF-8 cannot encode."
    if len(encode_metadata(label)) > MAX_METADATA_BYTES:
        return f"Metadata is over {MAX_METADATA_BYTES} bytes as sent: give a short label, never the data itself."
    return None


_METADATA_MARK = "UTF-8''"


def encode_metadata(label: str) -> str:
    """Return metadata as it travels in a header.

    Printable ASCII travels verbatim; anything else as RFC 8187 says (``UTF-8''`` and percent-encoded UTF-8), and so
    does what a header would change (outer blanks, nothing at all) or what looks encoded already.
    """
    plain = label.isascii() and label == label.strip() and label != "" and not label.startswith(_METADATA_MARK)
    return label if plain else _METADATA_MARK + quote(label, safe="")


def decode_metadata(header: str) -> str:
    """Return what ``encode_metadata`` was given."""
    return unquote(header.removeprefix(_METADATA_MARK)) if header.startswith(_METADATA_MARK) else header
