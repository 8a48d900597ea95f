"""What is measured: each class is one variant of a work, set up once and then called again and again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Work:
    """``options`` come from the benchmark; the call is what is timed, and returns something to compare."""

    #: What the benchmark gave for this call.
    argument: Any = None

    def __init__(self, options: SimpleNamespace) -> None:
        self.options = options
        self.setup()

    def setup(self) -> None:
        """Prepare once."""

    def before(self) -> None:
        """Prepare a call; not timed."""

    def __call__(self) -> Any:
        raise NotImplementedError

    def queries(self) -> int | None:
        """How many statements the last call ran, ``None`` where nobody counted."""
        return None
