"""The errors of the Altcraft Platform, one class for each answer code.

No message, ``repr`` or attribute holds a profile's data, the API token or the platform's own text, which may repeat
what was sent.
"""

from __future__ import annotations

from typing import Any, ClassVar

import requests
from django.core.exceptions import ImproperlyConfigured

__all__ = [
    "CODES",
    "AlreadyExists",
    "AltcraftConnectionError",
    "AltcraftError",
    "AltcraftNotConfigured",
    "AltcraftTimeout",
    "AmbiguousSearch",
    "DatabaseNotAvailable",
    "IncorrectRequest",
    "InternalError",
    "InvalidAnswer",
    "MethodNotFound",
    "NoRights",
    "ObjectNotFound",
    "RequestLimitExceeded",
    "TariffLimitReached",
    "TokenRequired",
    "UnknownCode",
    "UnsupportedContentType",
    "ValidationFailed",
    "WrongGroup",
    "describe",
    "error_for",
]


class AltcraftNotConfigured(ImproperlyConfigured):
    """``settings.ALTCRAFT`` has no such entry, or the entry cannot be used."""


class AltcraftError(Exception):
    """The base class of every error of a call.

    ``code`` is the platform's answer code, ``None`` where there was no answer; ``method`` is the called method.
    """

    code: int | None = None
    #: What the code means and what to do about it.
    meaning: ClassVar[str] = ""

    def __init__(self, message: str = "", *, method: str = "", code: int | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.method = method
        if code is not None:
            self.code = code


class IncorrectRequest(AltcraftError, ValueError):
    code = 400
    meaning = "the request is incorrect. Check the parameters against the method's documentation."


class TokenRequired(AltcraftError, PermissionError):
    code = 401
    meaning = "the API token is missing or unknown. Check TOKEN of settings.ALTCRAFT."


class TariffLimitReached(AltcraftError):
    code = 402
    meaning = "the limit of the tariff is reached. Delete profiles, or extend the tariff."


class NoRights(AltcraftError, PermissionError):
    code = 403
    meaning = "the API token has no right to do this. Give its role the right in Altcraft."


class ObjectNotFound(AltcraftError, LookupError):
    code = 404
    meaning = "there is no such object that the API token can see. Check db_id and the matching value."


class AlreadyExists(AltcraftError):
    code = 409
    meaning = "another profile has the same unique attributes. Merge the two in Altcraft, or change the value."


class DatabaseNotAvailable(AltcraftError):
    code = 413
    meaning = "the database is not available in the resource. Check db_id and resource_id of the mapping."


class UnsupportedContentType(AltcraftError):
    code = 415
    meaning = "the Content-Type is not supported. Something between here and Altcraft changes headers."


class RequestLimitExceeded(AltcraftError):
    code = 429
    meaning = "too many requests. Try again later, or raise the limit in Altcraft's configuration."


class AmbiguousSearch(AltcraftError, LookupError):
    code = 435
    meaning = "several profiles match. Merge them in Altcraft, or match by a field that is unique."


class WrongGroup(AltcraftError):
    code = 441
    meaning = "the object belongs to another group. Use an API token of that group."


class ValidationFailed(AltcraftError, ValueError):
    code = 450
    meaning = "a value is not valid. Correct it, for example an e-mail address without @."


class InternalError(AltcraftError):
    code = 500
    meaning = "the platform failed. Try again later."


class MethodNotFound(AltcraftError, NotImplementedError):
    code = 501
    meaning = "there is no such method. Check its name, and the version of the platform."


class UnknownCode(AltcraftError):
    """The platform answered with a code that its documentation does not have."""

    meaning = "this code is not documented. Ask Altcraft's support."


class InvalidAnswer(AltcraftError):
    """The answer is not what the documentation promises; whether the request was applied is unknown."""


class AltcraftConnectionError(AltcraftError, requests.ConnectionError):
    """The platform could not be reached, or the connection was lost: it may have applied the request."""


class AltcraftTimeout(AltcraftError, requests.Timeout):
    """The platform did not answer in time: it may have applied the request."""


#: Answer code -> error.
CODES: dict[int, type[AltcraftError]] = {
    error.code: error for error in AltcraftError.__subclasses__() if error.code is not None
}


def describe(code: int) -> str:
    """Return the code with its meaning, in one line."""
    return f"{code}: {CODES.get(code, UnknownCode).meaning}"


def error_for(code: int, method: str) -> AltcraftError:
    """Return the error for an answer code other than 0."""
    return CODES.get(code, UnknownCode)(f"Altcraft answered {method} with {describe(code)}", method=method, code=code)
