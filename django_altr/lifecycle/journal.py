"""What happened to the reference tokens of a vault, in files: append-only JSON lines.

Files survive what a table does not: the rollback of the transaction that they describe, and the end of the process.
Turned on by the option ``journal`` of a vault, a directory. Holds reference tokens, never plaintext.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote
from uuid import uuid4

__all__ = ["DELETED", "FAILED", "MADE", "RELEASED", "Event", "Journal", "batches", "journal_of"]

T = TypeVar("T")

Operation = Literal["made", "released", "deleted", "failed"]

#: The vault acknowledged the tokens; the statement that stores them comes next.
MADE: Operation = "made"
#: A statement is about to replace or delete them.
RELEASED: Operation = "released"
#: They were deleted from the vault.
DELETED: Operation = "deleted"
#: They should have been deleted from the vault.
FAILED: Operation = "failed"

logger = logging.getLogger("django_altr")


@dataclass(frozen=True)
class Event:
    """The last that the journal knows of a token. ``at`` is in seconds since 1970; ``field`` is a field's label."""

    token: str
    operation: str
    field: str
    at: float


class Journal:
    """The journal of one vault.

    Every process writes a file of its own, a new one each hour: a file of an earlier hour does not change any more.
    """

    def __init__(self, directory: str | os.PathLike[str], vault: str) -> None:
        self.directory = Path(directory)
        self.vault = vault
        self._prefix = f"altr-{quote(vault, safe='')}-"

    def __repr__(self) -> str:
        return f"<Journal of {self.vault!r} in {str(self.directory)!r}>"

    @property
    def is_writable(self) -> bool:
        """Whether the directory can be written, or made where it does not exist yet."""
        there = next(each for each in (self.directory, *self.directory.absolute().parents) if each.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)

    def record(self, operation: Operation, tokens: Mapping[str, Iterable[str]]) -> None:
        """Record what happened to the tokens of fields: label -> tokens.

        A journal that cannot be written is logged as an error, and stops nothing: the data is worth more than the
        record of a token that may become an orphan.
        """
        now = time.time()
        lines = [
            _line({"op": operation, "vault": self.vault, "field": field, "at": now, "tokens": some})
            for field, each in tokens.items()
            for some in batches(map(str.__str__, each), 500)
        ]
        if not lines:
            return
        try:
            self._append("".join(lines).encode())
        except OSError as error:
            logger.error(
                "The journal of the vault %r cannot be written (%s): %d lines of reference tokens are missing in it.",
                self.vault, error.strerror, len(lines),
            )  # fmt: skip

    def events(self) -> dict[str, Event]:
        """Return the last event of each token. What cannot be read, such as half a line, is left out."""
        return self._events(self._files())

    def compact(self, keep: Iterable[str], before: float) -> None:
        """Rewrite the files that were closed before that time: only what they say of the tokens to keep.

        ``before`` is in seconds since 1970.
        """
        closed = [path for path in self._files() if path.stat().st_mtime < before and self._hour() not in path.name]
        if not closed:
            return
        kept = set(keep)
        events = [event for token, event in self._events(closed).items() if token in kept]
        if events:
            self._write_aside("".join(map(self._line_of, events)).encode())
        for path in closed:
            path.unlink(missing_ok=True)

    def _append(self, data: bytes) -> None:
        # One write of a file opened for appending: lines of threads do not mix. Opened each time, so that neither a
        # fork nor a compaction leaves a process with a file that nobody reads.
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.directory / f"{self._prefix}{socket.gethostname()}-{os.getpid()}-{self._hour()}.jsonl"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            written = os.write(descriptor, data)
            while written < len(data):
                written += os.write(descriptor, data[written:])
        finally:
            os.close(descriptor)

    def _write_aside(self, data: bytes) -> None:
        path = self.directory / f"{self._prefix}compacted-{uuid4().hex}.jsonl"
        unfinished = path.with_suffix(".unfinished")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob(f"{self._prefix}*.jsonl"))

    def _events(self, files: Iterable[Path]) -> dict[str, Event]:
        records = sorted(chain.from_iterable(map(_read, files)), key=lambda record: record["at"])
        return {
            token: Event(token, record["op"], record["field"], record["at"])
            for record in records
            if record["vault"] == self.vault
            for token in record["tokens"]
        }

    def _line_of(self, event: Event) -> str:
        return _line(
            {"op": event.operation, "vault": self.vault, "field": event.field, "at": event.at, "tokens": [event.token]}
        )

    @staticmethod
    def _hour() -> str:
        return time.strftime("%Y%m%dT%H", time.gmtime())


def _line(record: dict[str, Any]) -> str:
    # A line break before, too: what a killed process left unfinished does not spoil the next line.
    return f"\n{json.dumps(record, separators=(',', ':'))}\n"


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                record = json.loads(line)
                record["at"], record["op"], record["vault"], record["field"], record["tokens"]
            except (ValueError, TypeError, KeyError):
                continue
            yield record


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut the items into lists of that size."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


@cache
def _journal(directory: str, vault: str) -> Journal:
    return Journal(directory, vault)


def journal_of(vault: str) -> Journal | None:
    """Return the journal of a vault, ``None`` if the vault has none."""
    from ..backends import vaults

    try:
        directory = (vaults.settings[vault].get("OPTIONS") or {}).get("journal")
        return _journal(os.fspath(directory), vault) if directory else None
    except Exception:  # the system checks say what is wrong with the settings
        return None
