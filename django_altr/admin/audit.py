"""What the admin's log says of a reveal: who, which object, which fields, why. Never a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.db import models
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from ..masks import masked

__all__ = ["display_name", "log_reveal"]


def display_name(obj: models.Model) -> str:
    """Return ``str(obj)`` without plaintext, fit to be stored."""
    with masked():
        return str(obj)


def log_reveal(
    request: HttpRequest,
    objects: Iterable[models.Model],
    fields: Sequence[models.Field[Any, Any]],
    *,
    reason: str = "",
    exported: bool = False,
) -> None:
    """Add one log entry an object."""
    message = _message(fields, reason, exported)
    user: Any = request.user
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=user.pk,
            content_type_id=get_content_type_for_model(obj).pk,
            object_id=str(obj.pk),
            object_repr=display_name(obj)[:200],
            action_flag=CHANGE,
            change_message=message,
        )
        for obj in objects
    )


def _message(fields: Sequence[models.Field[Any, Any]], reason: str, exported: bool) -> str:
    # The log outlives the session: it is written in the site's language, not in the reader's of the moment.
    with translation.override(settings.LANGUAGE_CODE):
        names = ", ".join(str(field.verbose_name) for field in fields)
        said = _("Exported revealed values: %(fields)s.") if exported else _("Revealed: %(fields)s.")
        parts = [said % {"fields": names}]
        if reason:
            parts.append(_("Reason: %(reason)s") % {"reason": reason})
        return " ".join(parts)
