"""Where the sandbox keeps values: one SQLite database, in a file or in memory."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from typing import Any

__all__ = ["CapExceeded", "Store"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS vault (token TEXT PRIMARY KEY, data BLOB NOT NULL, metadata BLOB, digest BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS vault_digest ON vault (digest) WHERE digest IS NOT NULL;
CREATE TABLE IF NOT EXISTS salt (value BLOB NOT NULL);
"""
#: Bound variables in one statement; SQLite's own default limit is 32,766.
MAX_VARIABLES = 8192


class CapExceeded(Exception):
    """Storing the values would take the store over its data cap. Nothing was stored."""


class Store:
    """Values by reference token. Safe to share among threads.

    What a method has stored is there after the process is killed: each write is a transaction in SQLite's
    write-ahead log. (After a power cut the last moments may be missing: ``synchronous = NORMAL``.)

    ``path`` is the database file, ``None`` for memory. ``cap`` is the most bytes of data to keep, ``None`` for no
    limit.
    """

    def __init__(self, path: str | PathLike[str] | None = None, *, cap: int | None = None) -> None:
        self.cap = cap
        self._lock = threading.Lock()
        # One connection under a lock: on a loopback server SQLite is never what the time goes into.
        self._db = sqlite3.connect(fspath(path or ":memory:"), isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)
        self._db.execute("INSERT INTO salt SELECT ? WHERE NOT EXISTS (SELECT 1 FROM salt)", [secrets.token_bytes(32)])
        (self._salt,) = self._db.execute("SELECT value FROM salt").fetchone()
        self._size = self._measure()

    def _measure(self) -> int:
        (size,) = self._db.execute("SELECT COALESCE(SUM(LENGTH(data)), 0) FROM vault").fetchone()
        return int(size)

    @property
    def size(self) -> int:
        """Bytes of data in the store."""
        return self._size

    def __len__(self) -> int:
        with self._lock:
            (count,) = self._db.execute("SELECT COUNT(*) FROM vault").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the database. A store in memory forgets everything."""
        with self._lock:
            self._db.close()

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._db.execute("DELETE FROM vault")
            self._size = 0

    def add(self, token: str, data: bytes, metadata: bytes | None = None) -> None:
        """Store one value under a new token."""
        with self._lock:
            self._check_cap(len(data))
            self._db.execute("INSERT INTO vault (token, data, metadata) VALUES (?, ?, ?)", (token, data, metadata))
            self._size += len(data)

    def add_many(self, new_token: Callable[[], str], values: Sequence[bytes]) -> list[str]:
        """Store each value under a new token, all or none."""
        rows = [(new_token(), data) for data in values]
        with self._lock, self._transaction():
            self._check_cap(sum(map(len, values)))
            self._db.executemany("INSERT INTO vault (token, data) VALUES (?, ?)", rows)
        self._size += sum(map(len, values))
        return [token for token, _ in rows]

    def add_deterministic(self, space: str, new_token: Callable[[], str], values: Sequence[bytes]) -> list[str]:
        """Store each value once: equal values of a space share a token, until it is deleted."""
        digests = [self._digest(space, data) for data in values]
        by_digest = dict(zip(digests, values, strict=True))
        with self._lock, self._transaction():
            tokens = dict(self._select("SELECT digest, token FROM vault WHERE digest IN ({})", by_digest))
            rows = [(new_token(), data, digest) for digest, data in by_digest.items() if digest not in tokens]
            added = sum(len(data) for _, data, _ in rows)
            self._check_cap(added)
            self._db.executemany("INSERT INTO vault (token, data, digest) VALUES (?, ?, ?)", rows)
        self._size += added
        tokens |= {digest: token for token, _, digest in rows}
        return [tokens[digest] for digest in digests]

    def get(self, token: str) -> tuple[bytes, bytes | None] | None:
        """Return data and metadata of a token, ``None`` if it is unknown."""
        with self._lock:
            cursor = self._db.execute("SELECT data, metadata FROM vault WHERE token = ?", [token])
            row: tuple[bytes, bytes | None] | None = cursor.fetchone()
        return row

    def get_many(self, tokens: Iterable[str]) -> dict[str, bytes]:
        """Return the data of the tokens that are known."""
        with self._lock:
            return dict(self._select("SELECT token, data FROM vault WHERE token IN ({})", tokens))

    def delete_many(self, tokens: Iterable[str]) -> None:
        """Delete tokens and their data; unknown ones are ignored."""
        with self._lock, self._transaction():
            self._select("DELETE FROM vault WHERE token IN ({})", tokens)
            self._size = self._measure()

    def _select(self, statement: str, values: Iterable[object]) -> list[tuple[Any, Any]]:
        rows: list[tuple[Any, Any]] = []
        values = list(values)
        for start in range(0, len(values), MAX_VARIABLES):
            chunk = values[start : start + MAX_VARIABLES]
            rows += self._db.execute(statement.format(",".join("?" * len(chunk))), chunk).fetchall()
        return rows

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _check_cap(self, added: int) -> None:
        if self.cap is not None and self._size + added > self.cap:
            raise CapExceeded

    def _digest(self, space: str, data: bytes) -> bytes:
        return hmac.digest(self._salt, space.encode() + b"\0" + data, hashlib.sha256)
