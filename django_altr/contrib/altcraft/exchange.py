"""One request and its outcome: send what a ``Batch`` says, and write down what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_altr.redact import Redacted

from . import ledger
from .answers import Answer
from .clients import clients
from .exceptions import CODES, AltcraftError, ObjectNotFound
from .mapping import ProfileMapping
from .models import Batch, Delivery
from .profiles import Outgoing, ask_consent, build_profiles

__all__ = ["CHUNK", "Exchange", "Outcome"]

#: Rows that are read and detokenized together: what a vault takes in one request.
CHUNK = 1024
#: Whole requests that are refused with these codes are refused because of their profiles.
OF_PROFILES = frozenset({400, 409, 435, 441, 450})
#: All other documented codes say that the request was not applied; these, and no answer at all, leave it open.
OPEN = frozenset({429, 500})
REFUSALS = frozenset(CODES) - OPEN

#: The records of the rows, with what came of each; or the error that stops the run.
Outcome = list[Delivery] | AltcraftError


class Exchange:
    """Sends the requests of one mapping.

    Every method returns an ``Outcome``, and has written it down. The list is empty if the request was given up, since
    it was never applied. An error that leaves open whether it was keeps the batch, to be repeated.
    """

    def __init__(self, mapping: ProfileMapping) -> None:
        self.mapping = mapping

    def send_profiles(self, batch: Batch, outgoing: Sequence[Outgoing], *, again: bool = False) -> Outcome:
        """Add or update the profiles. ``again``: an earlier try may have been applied."""
        failure: AltcraftError
        try:
            return ledger.record_import(batch, self._request(batch, outgoing))
        except AltcraftError as error:
            failure = error
        if failure.code in OF_PROFILES and failure.code is not None:
            return ledger.record_refusal(batch, failure.code)
        if failure.code in REFUSALS and not again:
            ledger.release(batch)
        return failure

    def _request(self, batch: Batch, outgoing: Sequence[Outgoing]) -> Answer:
        mapping, ids = self.mapping, self._profile_ids(batch)
        profiles = Redacted([self._item(batch, each, ids) for each in outgoing])
        extra: dict[str, Any] = {} if mapping.resource_id is None else {"resource_id": mapping.resource_id}
        if batch.matching == "custom":
            extra["field_name"] = mapping.matching_field
        return clients[batch.using].import_batch(
            profiles.reveal(), db_id=batch.db_id, matching=batch.matching, request_id=batch.request_id, **extra
        )

    def _profile_ids(self, batch: Batch) -> dict[str, str]:
        return {each.row: each.profile_id for each in ledger.claimed(batch)} if batch.matching == "profile_id" else {}

    def _item(self, batch: Batch, each: Outgoing, ids: Mapping[str, str]) -> dict[str, Any]:
        profile = dict(each.profile.reveal())
        if batch.matching == "profile_id":
            profile["profile_id"] = ids[each.row]
        elif batch.matching == "phone":
            profile["phone"] = profile["phones"][0]
        return profile

    def repeat(self, batch: Batch) -> Outcome:
        """Find out what became of a request whose outcome was not written down."""
        deliveries = ledger.claimed(batch)
        if not deliveries:
            ledger.release(batch)
            return []
        if batch.method == Batch.Method.DELETE:
            return self.send_deletion(batch, deliveries[0])
        outgoing = self._rebuild(deliveries)
        return self._ask(batch) if outgoing is None else self.send_profiles(batch, outgoing, again=True)

    def _rebuild(self, deliveries: Sequence[Delivery]) -> list[Outgoing] | None:
        """Return the profiles as they were sent, ``None`` if one of them is not what it was."""
        built: dict[str, Outgoing] = {}
        queryset = Redacted(self.mapping.with_related(self.mapping.get_queryset()))
        for some in ledger.slices(deliveries, CHUNK):
            rows = Redacted(list(queryset.reveal().filter(pk__in=[each.row for each in some])))
            profiles = build_profiles(self.mapping, ask_consent(self.mapping, rows).given)
            built.update({each.row: each for each in profiles if isinstance(each, Outgoing)})
        same = all(each.row in built and built[each.row].fingerprint == each.sent_fingerprint for each in deliveries)
        return [built[each.row] for each in deliveries] if same else None

    def _ask(self, batch: Batch) -> Outcome:
        """Find out whether a request was applied whose profiles changed meanwhile, without applying anything.

        The platform repeats its answer to a Request-ID that it knows, whatever the body. If it does not know it, the
        empty request takes the Request-ID, and the profiles are sent as they are now, under another one.
        """
        failure: AltcraftError
        try:
            answer = self._request(batch, [])
            if answer.duplicate:
                return ledger.record_import(batch, answer)
            ledger.release(batch)
            return []
        except AltcraftError as error:
            failure = error
        if failure.code in OF_PROFILES:
            ledger.release(batch)
            return []
        return failure

    def send_deletion(self, batch: Batch, delivery: Delivery) -> Outcome:
        """Delete the profile of a row."""
        failure: AltcraftError
        try:
            clients[batch.using].delete_profile(
                db_id=batch.db_id,
                matching="profile_id",
                profile_id=delivery.profile_id,
                request_id=batch.request_id,
            )
            return ledger.record_deletion(batch)
        except ObjectNotFound:
            return ledger.record_deletion(batch)
        except AltcraftError as error:
            failure = error
        if failure.code in REFUSALS and failure.code is not None:
            return ledger.record_refusal(batch, failure.code)
        return failure
