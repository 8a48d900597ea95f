"""Fixtures of the whole suite."""

from __future__ import annotations

from .sandbox_fixture import sandbox, sandbox_server

__all__ = ["sandbox", "sandbox_server"]
