"""Make the platform agree with the rows: what ``altcraft_sync`` and the delivery on change do."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from django_altr.redact import Redacted

from . import ledger
from .exceptions import AltcraftError
from .exchange import CHUNK, Exchange, Outcome
from .mapping import ProfileMapping
from .models import Batch, Delivery
from .profiles import Outgoing, Problem, ask_consent, build_profiles

__all__ = ["MAX_BATCH_SIZE", "Busy", "Report", "Synchronizer"]

logger = logging.getLogger("django_altr.altcraft")

#: The platform's advice for one request.
MAX_BATCH_SIZE = 10_000
MAX_BATCH_BYTES = 9_000_000
#: How long the platform remembers Request-IDs.
MEMORY = timedelta(days=1)


class Busy(Exception):
    """Another request about the row is in flight."""


@dataclass
class Report:
    """What a run did, in rows."""

    examined: int = 0
    delivered: int = 0
    unchanged: int = 0
    without_consent: int = 0
    #: Deleted at the platform.
    deleted: int = 0
    #: Refused by the platform, or no profile could be made.
    refused: int = 0
    #: Left to another run that is about them.
    busy: int = 0


Planned = tuple[Outgoing, Delivery | None]


class Synchronizer:
    """Delivers the rows of one mapping.

    ``on_problem`` is called with the primary key of a row and the reason why it was not delivered, ``on_progress``
    with a number of rows that were examined. ``patient`` leaves alone what may be in flight in another process.
    """

    def __init__(
        self,
        mapping: ProfileMapping,
        *,
        batch_size: int = 1000,
        dry_run: bool = False,
        patient: bool = False,
        on_problem: Callable[[str, str], object] = lambda row, reason: None,
        on_progress: Callable[[int], object] = lambda rows: None,
    ) -> None:
        self.mapping = mapping
        self.batch_size = min(batch_size, MAX_BATCH_SIZE)
        self.dry_run = dry_run
        self.patient = patient
        self.report = Report()
        self._on_problem, self._on_progress = on_problem, on_progress
        self._exchange = Exchange(mapping)
        self._waiting: dict[str, list[Planned]] = defaultdict(list)

    def run(self, rows: Redacted[QuerySet[Any]]) -> Report:
        """Finish what an earlier run left, deliver the rows, delete the profiles of rows that are gone.

        The queryset is wrapped, since its ``repr``, in an error report, would read and show the rows.
        """
        if not self.dry_run:
            self.resume(ledger.open_batches(self.mapping))
        self.find_vanished()
        self.delete_unwanted()
        self.deliver(rows)
        if not self.dry_run:
            self.delete_unwanted()  # of rows whose consent was found withdrawn
        return self.report

    def run_row(self, row: str) -> Report:
        """Do the same for one row. Raises ``Busy`` while another request about it is in flight."""
        delivery = ledger.deliveries_of(self.mapping.label, [row]).get(row)
        if delivery is not None and delivery.batch is not None:
            self.resume([delivery.batch])
        self.find_vanished(row=row)
        self.delete_unwanted(row=row)
        self.deliver(Redacted(self.mapping.get_queryset().filter(pk=row)))
        self.delete_unwanted(row=row)
        if self.report.busy:
            raise Busy(f"Another request about {self.mapping.label} {row} is in flight.")
        return self.report

    # Delivering

    def deliver(self, rows: Redacted[QuerySet[Any]]) -> None:
        """Send the profiles of the rows that changed since they were sent."""
        for chunk in chunks(Redacted(self.mapping.with_related(rows.reveal()))):
            self._plan(chunk)
            self._send_full_batches()
        for matching in list(self._waiting):
            self._send(matching, self._waiting.pop(matching))

    def _plan(self, rows: Redacted[list[Any]]) -> None:
        count = len(rows)
        known = ledger.deliveries_of(self.mapping.label, [str(row.pk) for row in rows.reveal()])
        consents = ask_consent(self.mapping, rows)
        del rows
        # First of all: a vault that fails must not keep a withdrawal from being done.
        self._withdraw([known[row] for row in consents.missing if row in known])
        for each in [*consents.problems, *build_profiles(self.mapping, consents.given)]:
            if isinstance(each, Problem):
                self._refuse(each.row, each.reason)
            else:
                self._sort(each, known.get(each.row))
        self.report.examined += count
        self.report.without_consent += len(consents.missing)
        self._on_progress(count)

    def _sort(self, each: Outgoing, delivery: Delivery | None) -> None:
        if delivery is not None and delivery.batch_id is not None and not self.dry_run:
            self.report.busy += 1
        elif is_delivered(each, delivery):
            self.report.unchanged += 1
            self._keep(delivery)
        elif (matching := self._matching(each, delivery)) is None:
            self._refuse(each.row, f"The matching value ({self.mapping.matching_key}) is empty.")
        else:
            self._waiting[matching].append((each, delivery))

    def _matching(self, each: Outgoing, delivery: Delivery | None) -> str | None:
        # Matched by its new e-mail address, a profile that has another one would be added a second time.
        if (
            delivery is not None
            and delivery.profile_id
            and delivery.db_id == self.mapping.db_id
            and delivery.matching_fingerprint != each.matching_fingerprint
        ):
            return "profile_id"
        return self.mapping.matching if each.has_matching_value else None

    def _keep(self, delivery: Delivery | None) -> None:
        if delivery is not None and delivery.unwanted and not self.dry_run:
            ledger.mark([delivery], unwanted=False)

    def _withdraw(self, deliveries: Iterable[Delivery]) -> None:
        doomed = [each for each in deliveries if each.state != Delivery.State.DELETED and not each.unwanted]
        if self.dry_run:
            self.report.deleted += sum(1 for each in doomed if each.profile_id)
        else:
            ledger.mark(doomed, unwanted=True)

    def _refuse(self, row: str, reason: str) -> None:
        self.report.refused += 1
        self._on_problem(row, reason)

    def _send_full_batches(self) -> None:
        for matching, planned in list(self._waiting.items()):
            while (count := full_batch([each for each, _ in planned], self.batch_size)) is not None:
                self._send(matching, planned[:count])
                del planned[:count]

    def _send(self, matching: str, planned: Sequence[Planned]) -> None:
        if self.dry_run:
            self.report.delivered += len(planned)
            return
        known = {each.row: delivery for each, delivery in planned if delivery is not None}
        batch, outgoing = ledger.claim_import(self.mapping, matching, [each for each, _ in planned], known)
        self.report.busy += len(planned) - len(outgoing)
        if batch is not None:
            self._settle(batch, lambda: self._exchange.send_profiles(batch, outgoing))

    def _settle(self, batch: Batch, send: Callable[[], Outcome], patient: bool = False) -> None:
        with ledger.in_flight(batch, patient=patient) as mine:
            outcome = send() if mine else []
        if isinstance(outcome, AltcraftError):
            ledger.give_up(batch)
            raise outcome
        self.report.busy += 0 if outcome else batch.size
        for delivery in outcome:
            self._count(delivery)

    def _count(self, delivery: Delivery) -> None:
        if delivery.state == Delivery.State.FAILED:
            self._refuse(delivery.row, delivery.error)
        elif delivery.state == Delivery.State.DELETED:
            self.report.deleted += 1
        else:
            self.report.delivered += 1

    # Going on after a kill

    def resume(self, batches: Iterable[Batch]) -> None:
        """Find out what became of requests whose outcome was not written down."""
        for batch in list(batches):
            if batch.created < timezone.now() - MEMORY:
                logger.warning("Request %s is older than what Altcraft remembers; it is sent again.", batch.pk)
            self._settle(batch, lambda batch=batch: self._exchange.repeat(batch), self.patient)  # type: ignore[misc]

    # Deleting

    def find_vanished(self, *, row: str | None = None) -> None:
        """Mark the profiles whose rows are gone, also where no signal told (``_raw_delete``, SQL)."""
        for deliveries in ledger.live_deliveries(self.mapping.label, row):
            existing = self._existing(deliveries)
            vanished = [each for each in deliveries if each.row not in existing]
            if self.dry_run:
                self.report.deleted += sum(1 for each in vanished if each.profile_id)
            else:
                ledger.mark(vanished, unwanted=True)

    def _existing(self, deliveries: Iterable[Delivery]) -> set[str]:
        model = self.mapping.model
        pks = [model._meta.pk.to_python(each.row) for each in deliveries]
        return {str(pk) for pk in model._base_manager.filter(pk__in=pks).values_list("pk", flat=True)}

    def delete_unwanted(self, *, row: str | None = None) -> None:
        """Delete the profiles of rows that are gone or may not be sent any more."""
        for delivery in ledger.unwanted_deliveries(self.mapping.label, row):
            if self.dry_run:
                self.report.deleted += bool(delivery.profile_id)
            elif not delivery.profile_id or ledger.is_shared(delivery):
                ledger.record_without_request(delivery)
            elif (batch := ledger.claim_deletion(self.mapping, delivery)) is not None:
                self._settle(batch, lambda batch=batch, it=delivery: self._exchange.send_deletion(batch, it))  # type: ignore[misc]


def is_delivered(each: Outgoing, delivery: Delivery | None) -> bool:
    """Tell whether the platform has exactly this."""
    return (
        delivery is not None
        and delivery.state == Delivery.State.DELIVERED
        and delivery.fingerprint == each.fingerprint
        and delivery.matching_fingerprint == each.matching_fingerprint
    )


def full_batch(outgoing: Sequence[Outgoing], most: int) -> int | None:
    """Return how many of the profiles fill a request, ``None`` if they do not."""
    size = 0
    for count, each in enumerate(outgoing):
        size += each.size
        if count == most or (count and size > MAX_BATCH_BYTES):
            return count
    return most if len(outgoing) == most else None


def chunks(rows: Redacted[QuerySet[Any]]) -> Iterator[Redacted[list[Any]]]:
    """Give the rows in chunks, by primary key: no cursor stays open while requests are sent."""
    rows = Redacted(rows.reveal().order_by("pk"))
    page = rows
    while len(chunk := Redacted(list(page.reveal()[:CHUNK]))):
        page = Redacted(rows.reveal().filter(pk__gt=chunk.reveal()[-1].pk))
        yield chunk
