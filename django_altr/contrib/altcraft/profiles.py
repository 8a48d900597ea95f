"""From rows to profiles: detokenize a chunk of rows, build what is sent of each, and its keyed hashes.

Nothing raised here carries plaintext: rows and profiles are held in ``Redacted``, and an error of a mapping's callable,
whose message may quote a value, ends at its row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP
from django.utils.crypto import salted_hmac

from django_altr.exceptions import AltrError, TokenNotFound
from django_altr.fields import detokenize
from django_altr.redact import Redacted

from .answers import encode
from .mapping import ProfileMapping

__all__ = ["Consents", "Outgoing", "Problem", "ask_consent", "build_profiles"]

SALT = "django_altr.contrib.altcraft"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A profile that could be sent, and the keyed hashes that tell whether it has to be."""

    row: str
    profile: Redacted[dict[str, Any]]
    fingerprint: str
    matching_fingerprint: str
    has_matching_value: bool
    #: Bytes as JSON.
    size: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of which no profile can be made."""

    row: str
    reason: str


@dataclass(slots=True)
class Consents:
    """A chunk of rows, by whether they may be sent."""

    given: Redacted[list[Model]]
    #: Primary keys.
    missing: list[str]
    problems: list[Problem]


def ask_consent(mapping: ProfileMapping, rows: Redacted[list[Model]]) -> Consents:
    """Sort rows by whether they may be sent. Raises the ``AltrError`` of a vault that cannot be read."""
    if mapping.consent_is_tokenized():
        _load(rows, [str(mapping.consent)])
    verdicts = {str(row.reveal().pk): _has_consent(mapping, row) for row in map(Redacted, rows.reveal())}
    return Consents(
        given=Redacted([row for row in rows.reveal() if verdicts[str(row.pk)] is True]),
        missing=[row for row, verdict in verdicts.items() if verdict is False],
        problems=[verdict for verdict in verdicts.values() if isinstance(verdict, Problem)],
    )


def build_profiles(mapping: ProfileMapping, rows: Redacted[list[Model]]) -> list[Outgoing | Problem]:
    """Detokenize rows, all in one go, and build their profiles.

    No other row of the query should be alive: what a callable reads lazily is read for all of them.
    Raises the ``AltrError`` of a vault that cannot be read; a row with an unknown token is a ``Problem``.
    """
    _load(rows, mapping.tokenized())
    return [_build(mapping, row) for row in map(Redacted, rows.reveal())]


def _load(rows: Redacted[list[Model]], names: Sequence[str]) -> None:
    paths: dict[str, list[str]] = defaultdict(list)
    for name in names:
        paths[name.rpartition(LOOKUP_SEP)[0]].append(name)
    failure: AltrError
    try:
        for lookups in paths.values() if len(rows) else ():
            detokenize(rows.reveal(), *lookups)
        return
    except AltrError as error:
        failure = error
    raise cleaned(failure)


def _has_consent(mapping: ProfileMapping, row: Redacted[Model]) -> bool | Problem:
    failure: AltrError
    try:
        return mapping.has_consent(row.reveal())
    except TokenNotFound:
        return Problem(str(row.reveal().pk), UNKNOWN_REFERENCE)
    except AltrError as error:
        failure = error
    except Exception as error:
        return Problem(str(row.reveal().pk), f"The mapping's consent failed with {type(error).__name__}.")
    raise cleaned(failure)


def _build(mapping: ProfileMapping, row: Redacted[Model]) -> Outgoing | Problem:
    pk = str(row.reveal().pk)
    failure: AltrError
    try:
        return _outgoing(mapping, pk, Redacted(mapping.get_profile(row.reveal())))
    except TokenNotFound:
        return Problem(pk, UNKNOWN_REFERENCE)
    except AltrError as error:
        failure = error
    except Exception as error:
        return Problem(pk, f"The mapping failed with {type(error).__name__}.")
    raise cleaned(failure)


def cleaned(failure: AltrError) -> AltrError:
    """Return an error without the frames that it passed: they hold rows and values."""
    return failure.with_traceback(None)


def _outgoing(mapping: ProfileMapping, row: str, profile: Redacted[dict[str, Any]]) -> Outgoing | Problem:
    encoded = encode(profile.reveal()).reveal()
    if encoded is None:
        return Problem(row, "A value of the profile cannot be written as JSON.")
    matching_value = Redacted(profile.reveal().get(mapping.matching_key or ""))
    if mapping.matching == "phone" and not is_phones(matching_value.reveal()):
        return Problem(row, "The profile field phones must be a phone number or a list of them.")
    target = [mapping.label, row, mapping.db_id, mapping.resource_id, mapping.matching, mapping.matching_key]
    return Outgoing(
        row=row,
        profile=profile,
        fingerprint=_fingerprint("profile", target, profile),
        matching_fingerprint=_fingerprint("matching", target, matching_value),
        has_matching_value=matching_value.reveal() not in (None, "", []),
        size=len(encoded),
    )


def is_phones(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(phone, str) for phone in value))


def _fingerprint(kind: str, target: Iterable[object], value: Redacted[Any]) -> str:
    # With the row's primary key in it, equal profiles of two rows do not show as equal.
    text = encode([*target, value.reveal()]).reveal() or b""
    return salted_hmac(f"{SALT}.{kind}", text, algorithm="sha256").hexdigest()


UNKNOWN_REFERENCE = "The vault does not know a reference token of this row."
