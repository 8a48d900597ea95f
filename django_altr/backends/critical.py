"""ALTR's Critical tokenization, for short values such as card numbers."""

from __future__ import annotations

from .tokenization import TokenizationBackend

__all__ = ["CriticalBackend"]


class CriticalBackend(TokenizationBackend):
    """Critical tokens. LOCATION is ``https://{org_id}.critical.live.altr.com/v2``."""

    max_values = 1024
    #: The service says "under 128 UTF-8 code units".
    max_value_bytes = 127
    location_hint = "It is the base URL, for example 'https://{org_id}.critical.live.altr.com/v2'."
