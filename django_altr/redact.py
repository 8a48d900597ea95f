"""A wrapper for what no traceback, log or error report may show."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Redacted"]

T = TypeVar("T", covariant=True)


class Redacted(Generic[T]):
    """Hold plaintext or a secret so that ``repr``, ``str`` and pickling never show it.

    Error reports print the local variables of every frame that an exception passes: such frames hold this instead.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        return self._value

    def __len__(self) -> int:
        return len(self._value)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        # Whether there is a wrapper; nothing is told about what it holds.
        return True

    def __repr__(self) -> str:
        return "<redacted>"

    def __reduce__(self) -> str:
        raise TypeError("Plaintext and secrets are not pickled.")
