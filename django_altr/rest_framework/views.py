"""What views need: an answer when the vault is down, and responses that no cache keeps."""

from __future__ import annotations

import logging
from typing import Any

from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError

from django_altr.exceptions import AltrError, DetokenizationBlocked, NotSupported, ValueTooLarge
from django_altr.fields import InvalidValue

__all__ = ["NoStoreMixin", "VaultUnavailable", "exception_handler"]

logger = logging.getLogger(__name__)


class VaultUnavailable(APIException):
    """503: the vault cannot be used right now."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = _("Protected data is temporarily unavailable.")
    default_code = "vault_unavailable"


def exception_handler(exc: Exception, context: dict[str, Any]) -> Any:
    """Answer the errors of a vault; leave all others to Django REST framework's own handler.

    Name it in ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``. A value that the vault or its base field cannot take is the
    client's error: 400. Any other error of the vault is 503, with the cause in the log ``django_altr.rest_framework``
    and not in the body. Errors of the program (``DetokenizationBlocked``, ``NotSupported``) stay errors.
    """
    from rest_framework.views import exception_handler as handle  # it imports all classes that the settings name

    return handle(_as_answer(exc), context)


def _as_answer(exc: Exception) -> Exception:
    if isinstance(exc, ValueTooLarge):
        return ValidationError(_("A value is too large to be stored."), code="value_too_large")
    if isinstance(exc, InvalidValue):
        return ValidationError(_("A value cannot be stored."), code="invalid_value")
    if isinstance(exc, AltrError) and not isinstance(exc, DetokenizationBlocked | NotSupported):
        logger.error("Answered 503: %s: %s", type(exc).__name__, exc)
        return VaultUnavailable()
    return exc


class NoStoreMixin:
    """A mixin for views whose responses may hold plaintext: ``Cache-Control: no-store`` on all of them.

    On masked ones too: the same URL shows plaintext to one user and masks to the next.
    """

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(*args, **kwargs)  # type: ignore[misc]
        add_never_cache_headers(response)
        return response
