"""The Django admin for models with tokenized fields: masks, and plaintext only for those who may reveal it."""

from __future__ import annotations

from .options import TokenizedAdminMixin

__all__ = ["TokenizedAdminMixin"]
