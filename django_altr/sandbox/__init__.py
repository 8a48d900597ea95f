"""An ALTR-compatible vault for development and tests (extra ``django-altr[sandbox]``). Imports no Django."""

from __future__ import annotations

from .auth import ALL_RIGHTS, DEFAULT_KEY, DEFAULT_SECRET, Key
from .service import Record, Sandbox

__all__ = ["ALL_RIGHTS", "DEFAULT_KEY", "DEFAULT_SECRET", "Key", "Record", "Sandbox"]
