"""Objects that hold threads, sockets or locks start afresh in a forked child: those belong to the parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["Forkable", "reset_after_fork"]


class Forkable(Protocol):
    def after_fork(self) -> None: ...


_objects: weakref.WeakSet[Forkable] = weakref.WeakSet()


def reset_after_fork(each: Forkable) -> None:
    """Call ``each.after_fork()`` in every forked child, as long as the object lives."""
    _objects.add(each)


def _after_fork() -> None:
    for each in list(_objects):
        each.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_after_fork)
