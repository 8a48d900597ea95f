"""What the sandbox costs: its batch read beside the sqlite3 module's time and an HTTP exchange."""

from __future__ import annotations

import sqlite3

from ..server import text, token
from . import Work
from .floors import Wire

COUNT = 1024


class BatchRead(Work):
    """One bare GetBatch of 1,024 values that the server was given before."""

    def setup(self) -> None:
        self.wire = Wire(self.options.url)
        self.tokens = self.wire.batch("POST", list(map(text, range(COUNT))))

    def __call__(self) -> int:
        return sum(map(len, self.wire.batch("PUT", self.tokens)))


class Sqlite(Work):
    """The sqlite3 module's own time: the rows of 1,024 tokens out of one statement."""

    def setup(self) -> None:
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE TABLE vault (token TEXT PRIMARY KEY, data BLOB NOT NULL)")
        self.tokens = list(map(token, range(COUNT)))
        rows = [(reference, text(number).encode()) for number, reference in enumerate(self.tokens)]
        self.database.executemany("INSERT INTO vault VALUES (?, ?)", rows)
        self.statement = f"SELECT token, data FROM vault WHERE token IN ({','.join('?' * COUNT)})"

    def __call__(self) -> int:
        found = dict(self.database.execute(self.statement, self.tokens).fetchall())
        return sum(map(len, found.values()))


class PutMany(Work):
    """1,000 bare PutData, one after the other."""

    def setup(self) -> None:
        self.wire = Wire(self.options.url)

    def __call__(self) -> int:
        for number in range(self.options.count):
            self.wire.put_data(text(number), "benchmarks.Person.name")
        return int(self.options.count)
