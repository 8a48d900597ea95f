"""Delivery on change, by Django's Tasks (``django.tasks``; the backport django-tasks on Django 5.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from django_altr.exceptions import AltrError

from .exceptions import AltcraftError
from .mapping import registry
from .sync import Busy, Synchronizer

try:
    from django.tasks import task
except ImportError:
    try:
        from django_tasks import task  # type: ignore[no-redef]
    except ImportError:
        raise ImportError(
            "Delivery on change needs Django's Tasks: pip install 'django-altr[altcraft]', or Django 6.0."
        ) from None

__all__ = ["deliver"]

#: Tries of one task, and the pauses before them in seconds: minutes in all. What fails then is left to altcraft_sync.
PAUSES = (2, 10, 30, 120, 600)


class NotDelivered(Exception):
    """The row was not delivered; the next change of it, or ``altcraft_sync``, tries again."""


@task()
def deliver(label: str, row: str, attempt: int = 0) -> dict[str, Any]:
    """Make the platform agree with a row. Does nothing if it does: it may run any number of times.

    The queue holds the model's label and the primary key only.
    """
    problems: list[str] = []
    synchronizer = Synchronizer(
        registry.by_label(label), patient=True, on_problem=lambda row, reason: problems.append(reason)
    )
    try:
        report = synchronizer.run_row(row)
    except (AltcraftError, AltrError, Busy) as error:
        problems.append(f"{type(error).__name__}: {error}")
        report = None
    if report is None and attempt < len(PAUSES) and deliver.get_backend().supports_defer:
        later = timezone.now() + timedelta(seconds=PAUSES[attempt])
        deliver.using(run_after=later).enqueue(label, row, attempt + 1)
        return {"tried_again": later.isoformat(), "reason": problems[-1]}
    if problems:
        raise NotDelivered(f"{label} {row}: {' '.join(problems)}")
    return {} if report is None else vars(report)
