"""ALTR's Vaulted tokenization."""

from __future__ import annotations

from .tokenization import TokenizationBackend

__all__ = ["VaultedBackend"]


class VaultedBackend(TokenizationBackend):
    """Vaulted tokens. LOCATION is ``https://{org_id}.vault.live.altr.com/api/v2``."""

    max_values = 4096
    #: The service says "under 1024 characters".
    max_value_characters = 1023
    location_hint = "It is the base URL, for example 'https://{org_id}.vault.live.altr.com/api/v2'."
