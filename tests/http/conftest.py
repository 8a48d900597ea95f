from __future__ import annotations

from tests.backends.conftest import make_backend

__all__ = ["make_backend"]
