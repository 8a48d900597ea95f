from __future__ import annotations

from tests.fields.conftest import vault

__all__ = ["vault"]
