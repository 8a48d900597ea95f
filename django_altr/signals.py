"""Signals of django-altr. No signal carries plaintext."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["detokenized"]

#: Sent after plaintext was read from a vault for a model's field.
#: ``sender`` is the model class; ``fields`` the tuple of field names; ``tokens`` the tuple of reference tokens that
#: were read; ``vault`` the alias.
detokenized = Signal()
