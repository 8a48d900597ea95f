"""What a column holds in the place of a token whose value was erased: ``erased:`` and a short hash of the token.

No reference token holds a colon. A marker is never sent to a vault; equal tokens have equal markers, so unique
constraints keep.
"""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["ERASED", "erased_marker", "is_erased"]

ERASED = "erased:"


def erased_marker(token: str) -> str:
    """Return the marker of a token: 39 characters."""
    return f"{ERASED}{hashlib.sha256(token.encode()).hexdigest()[:32]}"


def is_erased(cell: Any) -> bool:
    """Whether the cell, or the reference token, says that its value was erased."""
    return isinstance(cell, str) and cell.startswith(ERASED)
