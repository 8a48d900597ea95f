"""The errors of django-altr.

Every error names the cause and what to do about it. No message, ``repr`` or attribute holds plaintext or the
secret: reference tokens and numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable

import requests

__all__ = [
    "AltrError",
    "BadRequest",
    "BatchTooLarge",
    "DataCapExceeded",
    "DetokenizationBlocked",
    "Forbidden",
    "InvalidResponse",
    "NotSupported",
    "RateLimited",
    "ServiceUnavailable",
    "TokenErased",
    "TokenNotFound",
    "Unauthorized",
    "ValueTooLarge",
    "VaultConnectionError",
    "VaultTimeout",
]


class AltrError(Exception):
    """The base class of every error that talking to a vault can raise.

    ``stored_tokens``: where a write of several values failed, the reference tokens that the vault had made by then.
    """

    stored_tokens: tuple[str, ...] = ()


class BadRequest(AltrError, ValueError):
    """The vault refused the request as malformed (400). Never retried."""


class DataCapExceeded(BadRequest):
    """The organization's data cap is used up: nothing can be written until ALTR raises it (400)."""


class Unauthorized(AltrError, PermissionError):
    """The vault did not accept the key, the signature or the clock (401). Never retried."""


class Forbidden(AltrError, PermissionError):
    """The key lacks the right that the call needs: read, write, dereference or determinism (403)."""


class TokenNotFound(AltrError, LookupError):
    """The vault does not know one or more reference tokens (404).

    ``tokens`` is the tuple of the unknown ones.
    """

    def __init__(self, tokens: Iterable[str] = (), message: str | None = None) -> None:
        self.tokens = tuple(tokens)
        super().__init__(message or self._describe())

    def _describe(self) -> str:
        count = len(self.tokens)
        return (
            f"The vault does not know {count} of the reference tokens. They were deleted there, belong to another "
            f"vault, or the column was changed by something else than django-altr; see the 'tokens' attribute."
        )

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.tokens, str(self))


class TokenErased(TokenNotFound):
    """The value was erased from the vault on purpose (``altr_erase``)."""


class BatchTooLarge(AltrError):
    """A batch is over the vault's size limit (509) and cannot be split further."""


class RateLimited(AltrError):
    """The vault asked for fewer requests (429) for longer than the time budget allows to wait."""


class ServiceUnavailable(AltrError):
    """The vault, or a proxy before it, failed (5xx), and went on failing for the whole time budget."""


class VaultTimeout(AltrError, requests.Timeout):
    """The vault did not answer within the time budget."""


class VaultConnectionError(AltrError, requests.ConnectionError):
    """The vault could not be reached: DNS, refused or dropped connection, TLS."""


class InvalidResponse(AltrError):
    """The answer is not what the vault's documentation promises; nothing of it was used."""


class ValueTooLarge(AltrError, ValueError):
    """A value is over the vault's size limit for one value. Nothing was sent."""


class NotSupported(AltrError, NotImplementedError):
    """This backend cannot do what was asked (a capability flag says so)."""


class DetokenizationBlocked(AltrError):
    """A detokenization was tried inside ``no_detokenization()``."""
