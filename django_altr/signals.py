"""Signals of django-altr. No signal carries plaintext."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["detokenized", "vault_state_changed"]

#: Sent after plaintext was read from a vault for a model's field.
#: ``sender`` is the model class; ``fields`` the tuple of field names; ``tokens`` the tuple of reference tokens that
#: were read; ``vault`` the alias.
detokenized = Signal()

#: Sent when a vault's circuit breaker opens or closes, in the thread that found out.
#: ``sender`` is the backend class; ``vault`` the alias; ``state`` "open" or "closed".
vault_state_changed = Signal()
