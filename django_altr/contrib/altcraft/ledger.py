"""What is written down about deliveries, so that no request is lost or sent twice.

A request is a ``Batch``: written with its Request-ID and the rows that it claims before it is sent, removed together
with recording its outcome. A kill at any point leaves either nothing, or a batch that can be sent again as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from .answers import Answer
from .exceptions import InvalidAnswer, describe
from .mapping import ProfileMapping
from .models import Batch, Delivery
from .profiles import Outgoing

__all__ = [
    "claim_deletion",
    "claim_import",
    "deliveries_of",
    "give_up",
    "in_flight",
    "open_batches",
    "record_deletion",
    "record_import",
    "record_refusal",
    "release",
]

#: Bound variables in one statement.
SLICE = 500
#: How long a batch is taken to be in flight where the database has no row locks to tell.
LEASE = timedelta(minutes=5)
CLAIM = ("batch", "position", "sent_fingerprint", "sent_matching_fingerprint", "unwanted", "db_id")
OUTCOME = ("state", "profile_id", "error", "when", "fingerprint", "matching_fingerprint", "batch")


def database() -> str:
    return router.db_for_write(Delivery)


def slices(items: Sequence[Any], size: int = SLICE) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def deliveries_of(label: str, rows: Sequence[str]) -> dict[str, Delivery]:
    """Return what is recorded of the rows, by primary key."""
    records = Delivery.objects.using(database()).filter(model=label)
    return {each.row: each for some in slices(rows) for each in records.filter(row__in=some)}


def _locked(deliveries: Iterable[Delivery]) -> dict[str, Delivery]:
    """Lock the records, in the order of their primary keys, so that two runs cannot wait for each other."""
    records = Delivery.objects.using(database()).order_by("pk").select_for_update()
    pks = sorted(each.pk for each in deliveries)
    return {each.row: each for some in slices(pks) for each in records.filter(pk__in=some)}


def claim_import(
    mapping: ProfileMapping, matching: str, outgoing: Sequence[Outgoing], known: Mapping[str, Delivery]
) -> tuple[Batch | None, list[Outgoing]]:
    """Write down a request for those profiles that no other one is about; return it and them.

    ``known`` is what was recorded when the profiles were built: a row that was delivered since then is left out.
    """
    missing = [Delivery(model=mapping.label, row=each.row) for each in outgoing if each.row not in known]
    Delivery.objects.using(database()).bulk_create(missing, ignore_conflicts=True)
    recorded = deliveries_of(mapping.label, [each.row for each in outgoing])
    with transaction.atomic(using=database(), durable=True):
        current = _locked(recorded.values())
        free = [each for each in outgoing if _is_free(current.get(each.row), known.get(each.row))]
        if not free:
            return None, []
        batch = _new_batch(mapping, Batch.Method.IMPORT, mapping.db_id, matching, len(free))
        for position, each in enumerate(free):
            delivery = current[each.row]
            delivery.batch, delivery.position, delivery.unwanted = batch, position, False
            delivery.db_id = mapping.db_id
            delivery.sent_fingerprint = each.fingerprint
            delivery.sent_matching_fingerprint = each.matching_fingerprint
        _write([current[each.row] for each in free], CLAIM)
    return batch, free


def _is_free(current: Delivery | None, known: Delivery | None) -> bool:
    if current is None or current.batch_id is not None:
        return False
    return (current.fingerprint, current.state) == (
        (known.fingerprint, known.state) if known else ("", Delivery.State.NEW)
    )


def claim_deletion(mapping: ProfileMapping, delivery: Delivery) -> Batch | None:
    """Write down the request that deletes a profile, unless another request about the row is in flight."""
    with transaction.atomic(using=database(), durable=True):
        batch = _new_batch(mapping, Batch.Method.DELETE, delivery.db_id, "profile_id", 1)
        free = Delivery.objects.using(database()).filter(pk=delivery.pk, batch=None, unwanted=True)
        if free.update(batch=batch, position=0):
            return batch
        batch.delete()
    return None


def _new_batch(mapping: ProfileMapping, method: str, db_id: int, matching: str, size: int) -> Batch:
    return Batch.objects.using(database()).create(
        model=mapping.label, method=method, using=mapping.using, db_id=db_id, matching=matching, size=size
    )


def _write(deliveries: Collection[Delivery], fields: Sequence[str]) -> None:
    """Update fields of existing records; an upsert takes a fraction of the time of ``bulk_update``."""
    features = connections[database()].features
    Delivery.objects.using(database()).bulk_create(
        deliveries,
        update_conflicts=True,
        update_fields=fields,
        unique_fields=["id"] if features.supports_update_conflicts_with_target else None,
    )


def open_batches(mapping: ProfileMapping) -> QuerySet[Batch]:
    """Return the requests that were written down and have no outcome, the oldest first."""
    return Batch.objects.using(database()).filter(model=mapping.label).order_by("created", "pk")


@contextmanager
def in_flight(batch: Batch, *, patient: bool = False) -> Iterator[bool]:
    """Hold a request while it is sent; tell whether it was to be had.

    The database's row lock ends with the process that holds it. SQLite has none: there ``patient`` takes a recent batch
    as being in flight, else it is taken as interrupted.
    """
    features = connections[database()].features
    if not features.has_select_for_update:
        mine = _take(batch, timezone.now() - LEASE if patient else timezone.now())
        try:
            yield mine
        except BaseException:
            if mine:
                give_up(batch)
            raise
        return
    with transaction.atomic(using=database()):
        locked = Batch.objects.using(database()).select_for_update(
            skip_locked=features.has_select_for_update_skip_locked
        )
        yield locked.filter(pk=batch.pk).first() is not None


def _take(batch: Batch, since: datetime) -> bool:
    mine = Q(sending=None) | Q(sending__lte=since)
    return bool(Batch.objects.using(database()).filter(mine, pk=batch.pk).update(sending=timezone.now()))


def give_up(batch: Batch) -> None:
    """Let anybody send the request again: the outcome of this try is unknown."""
    Batch.objects.using(database()).filter(pk=batch.pk).update(sending=None)


def claimed(batch: Batch) -> list[Delivery]:
    """Return the records that the request claims, in the order sent."""
    return list(Delivery.objects.using(database()).filter(batch=batch).order_by("position"))


def record_import(batch: Batch, answer: Answer) -> list[Delivery]:
    """Write down what came of each profile; return the records.

    Returns nothing if the answer repeats that of an earlier, empty request: this one was never applied, nor will be.
    """
    with transaction.atomic(using=database()):
        deliveries, results = claimed(batch), _results(answer)
        if results is None or len(results) != len(deliveries):
            if answer.duplicate and results == []:
                release(batch)
                return []
            raise InvalidAnswer(
                f"Altcraft answered {batch.method} of {len(deliveries)} profiles with another number of results. It "
                f"is sent again next time, with the same Request-ID.",
                method=batch.method,
            )
        for delivery, (code, profile_id) in zip(deliveries, results, strict=True):
            _apply(delivery, code, profile_id, by_profile_id=batch.matching == "profile_id")
        _finish(batch, deliveries)
    return deliveries


def _results(answer: Answer) -> list[tuple[int | None, str]] | None:
    """Return code and profile id of each result, and nothing of the platform's texts; ``None`` if it has no results."""
    results = answer.get("result")
    if not isinstance(results, list):
        return None
    entries = [result if isinstance(result, dict) else {} for result in results]
    codes = [entry.get("error") for entry in entries]
    ids = [str(entry.get("profile_id") or "") for entry in entries]
    return [
        (code if isinstance(code, int) else None, name if code == 0 else "")
        for code, name in zip(codes, ids, strict=True)
    ]


def _apply(delivery: Delivery, code: int | None, profile_id: str, *, by_profile_id: bool) -> None:
    if code == 0:
        delivery.fingerprint = delivery.sent_fingerprint
        delivery.matching_fingerprint = delivery.sent_matching_fingerprint
        delivery.profile_id = (profile_id or delivery.profile_id)[:100]
        delivery.state, delivery.error = Delivery.State.DELIVERED, ""
        return
    if code == 404 and by_profile_id:
        # Somebody deleted the profile at the platform: the next run adds it again.
        delivery.profile_id = delivery.fingerprint = delivery.matching_fingerprint = ""
    delivery.state = Delivery.State.FAILED
    delivery.error = "The platform's result has no error code." if code is None else describe(code)


def record_refusal(batch: Batch, code: int) -> list[Delivery]:
    """Write down that the platform refused the whole request."""
    with transaction.atomic(using=database()):
        deliveries = claimed(batch)
        for delivery in deliveries:
            delivery.state, delivery.error = Delivery.State.FAILED, describe(code)
        _finish(batch, deliveries)
    return deliveries


def record_deletion(batch: Batch) -> list[Delivery]:
    """Write down that the profile is gone."""
    with transaction.atomic(using=database()):
        deliveries = claimed(batch)
        for delivery in deliveries:
            forget(delivery)
        _finish(batch, deliveries, "unwanted")
    return deliveries


def forget(delivery: Delivery) -> None:
    delivery.state, delivery.unwanted, delivery.error = Delivery.State.DELETED, False, ""
    delivery.profile_id = delivery.fingerprint = delivery.matching_fingerprint = ""


def record_without_request(delivery: Delivery) -> None:
    """Write down that nothing is to be deleted at the platform: it has no profile, or another row has the same."""
    forget(delivery)
    delivery.when = timezone.now()
    delivery.save(using=database(), update_fields=[*OUTCOME, "unwanted"])


def _finish(batch: Batch, deliveries: Iterable[Delivery], *fields: str) -> None:
    now, deliveries = timezone.now(), list(deliveries)
    for delivery in deliveries:
        delivery.batch, delivery.when = None, now
    _write(deliveries, [*OUTCOME, *fields])
    batch.delete()


def release(batch: Batch) -> None:
    """Give up the request: it was not applied."""
    with transaction.atomic(using=database()):
        Delivery.objects.using(database()).filter(batch=batch).update(batch=None)
        batch.delete()


def mark(deliveries: Iterable[Delivery], *, unwanted: bool) -> None:
    """Mark profiles as to be deleted, or no longer."""
    for some in slices([each.pk for each in deliveries]):
        Delivery.objects.using(database()).filter(pk__in=some).update(unwanted=unwanted)


def live_deliveries(label: str, row: str | None = None) -> Iterator[list[Delivery]]:
    """Give the records of rows that the platform has, or may have, something of, in slices."""
    records = _records(label, row).filter(unwanted=False).exclude(state=Delivery.State.DELETED).order_by("pk")
    last = 0
    while some := list(records.filter(pk__gt=last)[:SLICE]):
        yield some
        last = some[-1].pk


def unwanted_deliveries(label: str, row: str | None = None) -> list[Delivery]:
    """Return the records of profiles to be deleted that no request is about."""
    return list(_records(label, row).filter(unwanted=True, batch=None).order_by("pk"))


def _records(label: str, row: str | None) -> QuerySet[Delivery]:
    records = Delivery.objects.using(database()).filter(model=label)
    return records if row is None else records.filter(row=row)


def is_shared(delivery: Delivery) -> bool:
    """Tell whether another row has the same profile; if so, that row is sent again, for the values are mixed."""
    others = Delivery.objects.using(database()).filter(
        db_id=delivery.db_id, profile_id=delivery.profile_id, unwanted=False
    )
    return bool(others.exclude(pk=delivery.pk).update(fingerprint=""))
