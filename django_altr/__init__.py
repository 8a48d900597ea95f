"""Django model fields that keep personal data in ALTR's vault and only a reference token in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backends import vaults

__all__ = ["vaults"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Lazy, so that the package can be named in settings before the apps are ready.
    if name == "vaults":
        from .backends import vaults

        return vaults
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
