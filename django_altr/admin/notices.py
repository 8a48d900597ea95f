"""What a person reads when the vault fails: plain words, and never a value."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ..exceptions import (
    AltrError,
    DataCapExceeded,
    Forbidden,
    TokenErased,
    TokenNotFound,
    Unauthorized,
    ValueTooLarge,
)

__all__ = ["notice", "status_code"]


def notice(error: Exception) -> str:
    """Say in a sentence or two what went wrong."""
    match error:
        case TokenErased():
            return _("The value was erased from the vault.")
        case TokenNotFound():
            return _("The vault does not know this token: its value was deleted, or it belongs to another vault.")
        case Unauthorized() | Forbidden():
            return _("The vault refused the request: the key of this site is wrong or lacks the right.")
        case DataCapExceeded():
            return _("The vault is full: it takes no more values.")
        case ValueTooLarge():
            return _("The value is too large for the vault.")
        case AltrError():
            return _("The vault cannot be reached at the moment.")
    return _("What the vault holds cannot be read as a value of this field.")


def status_code(error: Exception) -> int:
    """Return the HTTP status of an answer that has to say so."""
    return 404 if isinstance(error, TokenNotFound) else 503 if isinstance(error, AltrError) else 500
