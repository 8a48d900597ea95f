"""Records of a CSV file with their line numbers, and a way back out of a quote that was never closed."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import TextIO

#: Characters of one cell; what is longer is an unclosed quote.
csv.field_size_limit(1 << 20)


class _Lines(Iterator[str]):
    """The lines of a file; those of the current record can be pushed back."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.taken: list[str] = []

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._file)
        self.taken.append(line)
        return line

    def push_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))


class Records(Iterator[tuple[int, list[str]]]):
    """Iterate over (number of the record's first line, cells); blank lines are no records.

    An unclosed quote swallows the lines after it into one cell. Who sees that a record is ill-formed calls
    ``split()``: its first line alone is given up, the others are read again.
    """

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._lines = _Lines(file)
        self._delimiter = delimiter
        self._next_line = 1

    def __next__(self) -> tuple[int, list[str]]:
        cells: list[str] = []
        while not any(cell.strip() for cell in cells):
            line = self._next_line
            cells = self._read()
        return line, cells

    def split(self) -> None:
        rest = self._lines.taken[1:]
        self._lines.push_back(rest)
        self._next_line -= len(rest)

    def _read(self) -> list[str]:
        self._lines.taken.clear()
        try:
            cells = next(csv.reader(self._lines, delimiter=self._delimiter))
        except csv.Error:
            cells = ["(unreadable)"]  # fits no header of two columns and more: the caller rejects and splits it
        self._next_line += len(self._lines.taken)
        return cells
