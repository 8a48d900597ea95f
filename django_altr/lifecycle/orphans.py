"""Orphans: tokens that the journal of a vault knows and no row holds."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .holders import held
from .journal import DELETED, Event, Journal, batches, journal_of

__all__ = ["compact", "delete_orphans", "find_orphans", "journals"]

#: Orphans in one go: searched for, deleted, recorded.
BATCH = 1000


def find_orphans(journal: Journal, min_age: float) -> list[Event]:
    """Return the last events of the tokens that no row holds, the oldest first.

    ``min_age`` is in seconds: what happened to a token since may belong to a transaction that is still open. Raises
    what the databases raise if a table cannot be searched.
    """
    until = time.time() - min_age
    open_events = [event for event in journal.events().values() if event.operation != DELETED and event.at <= until]
    return list(_not_held(journal.vault, sorted(open_events, key=lambda event: event.at)))


def _not_held(vault: str, events: Iterable[Event]) -> Iterable[Event]:
    for batch in batches(events, BATCH):
        in_rows = held(vault, {event.token for event in batch})
        yield from (event for event in batch if event.token not in in_rows)


def delete_orphans(journal: Journal, orphans: Iterable[Event], min_age: float) -> int:
    """Delete the orphans from the vault, after another look at the journal and the rows; return how many.

    Raises what ``delete_many`` of the vault raises; what was deleted by then is recorded.
    """
    from ..backends import vaults

    wanted = {event.token for event in orphans}
    count = 0
    for batch in batches((event for event in find_orphans(journal, min_age) if event.token in wanted), BATCH):
        events = list(_not_held(journal.vault, batch))
        vaults[journal.vault].delete_many([event.token for event in events])
        for field in {event.field for event in events}:
            journal.record(DELETED, {field: [event.token for event in events if event.field == field]})
        count += len(events)
    return count


def compact(journal: Journal, min_age: float) -> None:
    """Drop from the journal what is settled: tokens that were deleted, and those that rows hold.

    Whatever later happens to the latter is noticed then.
    """
    until = time.time() - min_age
    events = journal.events()
    young = {token for token, event in events.items() if event.at > until}
    orphans = {event.token for event in find_orphans(journal, min_age)}
    journal.compact(keep=young | orphans, before=until)


def journals(aliases: Iterable[str]) -> list[Journal]:
    """Return the journals of those of the vaults that have one."""
    return [journal for alias in aliases if (journal := journal_of(alias)) is not None]
