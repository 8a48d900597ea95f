"""What the backends that talk HTTP share: client, worker threads, circuit breaker, batches and their answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django_altr.conf import Problem
from django_altr.exceptions import AltrError, BatchTooLarge, InvalidResponse
from django_altr.http import (
    Answer,
    BasicAuth,
    Budget,
    CircuitBreaker,
    Client,
    HmacAuth,
    Job,
    Options,
    Workers,
    location_problem,
)
from django_altr.http import utcnow as now_in_utc
from django_altr.markers import is_erased
from django_altr.redact import Redacted
from django_altr.signals import vault_state_changed

from .base import BaseBackend
from .batch import (
    FRAMING,
    Batch,
    Sliceable,
    are_usual_tokens,
    batch_body,
    characters,
    encoded_size,
    is_encodable,
    parse_batch,
    parts,
)

__all__ = ["NO_TEXTS", "NO_TOKENS", "OVERFLOW", "TOO_LARGE", "RemoteBackend", "Texts", "Tokens", "pick"]

#: What a read gives: reference tokens and their texts, ``None`` where another request is to bring the text.
Texts = Redacted[Iterable[tuple[str, str | None]]]
NO_TEXTS: Texts = Redacted(())
#: What a write gives: positions of values, and their reference tokens.
Tokens = Iterable[tuple[int, str]]
NO_TOKENS: Tokens = ()

logger = logging.getLogger("django_altr")

#: The header that says that values are left out of a batch, as too large.
OVERFLOW = "X-Overflow-Data"
#: Statuses that say that a batch is too large: ALTR's own, and that of proxies.
TOO_LARGE = frozenset({413, 509})
#: Characters of the longest text that is sent as a reference token.
MAX_TOKEN_LENGTH = 1024
#: Tokens that are looked at together: as many as the processor has at hand.
AT_ONCE = 1024
#: Every option that is one of the HTTP client.
CLIENT_OPTIONS = frozenset(Options.__dataclass_fields__)


class RemoteBackend(BaseBackend):
    """A vault behind HTTP."""

    known_options = CLIENT_OPTIONS | {"token_pattern"}
    #: Bytes of one batch request, JSON framing included.
    max_batch_bytes: ClassVar[int] = 500_000
    #: Client options whose default differs from ``Options``.
    default_options: ClassVar[Mapping[str, Any]] = {}
    #: The clock that dates requests.
    clock: Callable[[], datetime] = staticmethod(now_in_utc)

    def setup(self) -> None:
        given = {name: value for name, value in self.options.items() if name in CLIENT_OPTIONS}
        options = Options(**{**self.default_options, **given})
        self._workers = Workers(
            f"altr-{self.alias}", options.max_workers, Budget(options.timeout, options.operation_timeout)
        )
        self._client = Client(
            self.alias,
            self.params.reveal()["LOCATION"],
            self.credentials(),
            options,
            clock=self.clock,
            on_breaker_change=self._breaker_changed,
            on_exchange=self.report,
        )

    @classmethod
    def config_problems(cls, params: Redacted[Mapping[str, Any]]) -> list[Problem]:
        found = [
            Problem(
                "altr.E003", f"{name} is missing.", "Take it from the environment, for example with parse_altr_url."
            )
            for name in ("KEY", "SECRET")
            if not (isinstance(params.reveal().get(name), str) and params.reveal()[name])
        ]
        if ":" in str(params.reveal().get("KEY", "")):
            found.append(
                Problem("altr.E003", "KEY holds a colon.", "An API key has none; was it given with its secret?")
            )
        location = params.reveal().get("LOCATION")
        if problem := location_problem(location):
            insecure = "plain http" in problem
            found.append(Problem("altr.E005" if insecure else "altr.E004", f"LOCATION {problem}", cls.location_hint))
        return found + super().config_problems(params)

    #: What LOCATION should look like, for error messages.
    location_hint: ClassVar[str] = "It is scheme and host of the vault."

    def credentials(self) -> HmacAuth | BasicAuth:
        """Return what signs the requests."""
        raise NotImplementedError

    @property
    def breaker(self) -> CircuitBreaker:
        """The circuit breaker: ``backend.breaker.state``."""
        return self._client.breaker

    @property
    def clock_skew(self) -> float | None:
        """Seconds that this machine's clock is ahead of the vault's, ``None`` before the first answer."""
        return self._client.clock_skew

    def close(self) -> None:
        self._workers.close()
        self._client.close()

    def _breaker_changed(self, state: str) -> None:
        if state == "open":
            logger.warning(
                "The vault %r failed %d times in a row: no request is sent for %g seconds.",
                self.alias, self.breaker.failures, self.breaker.reset,
            )  # fmt: skip
        else:
            logger.warning("The vault %r answers again.", self.alias)
        vault_state_changed.send_robust(sender=type(self), vault=self.alias, state=state)

    def store(self, jobs: Iterable[Job[Tokens]]) -> list[str]:
        """Do the writes; return the reference tokens by position. An error knows those that were made before it."""
        tokens: dict[int, str] = {}
        try:
            self._workers.run(jobs, lambda made: tokens.update(made))
        except AltrError as error:
            error.stored_tokens = tuple(tokens.values())
            raise
        return list(map(tokens.__getitem__, range(len(tokens))))

    def find_many(self, tokens: Iterable[str]) -> dict[str, str]:
        self.check_detokenization_allowed()
        # The keys are there from the start, so that the order is the one asked for.
        texts: Redacted[dict[str, str | None]] = Redacted(self.plausible(tokens))
        jobs = [partial(self.get_batch, batch) for batch in self.token_batches(texts.reveal())]
        self._workers.run(jobs, lambda found: texts.reveal().update(found.reveal()))
        if all(texts.reveal().values()):  # neither None nor empty
            return texts.reveal()  # type: ignore[return-value]
        return {token: text for token, text in texts.reveal().items() if text is not None}

    def get_batch(self, tokens: list[str]) -> Job[Texts]:
        """Ask for the texts of a batch of tokens."""
        raise NotImplementedError

    def pack(self, texts: Redacted[list[str]], positions: Sequence[int] | None = None) -> Iterator[Batch]:
        """Divide the texts, or those at some positions, into batches within the vault's limits."""
        if positions is None:
            waiting = Batch(range(len(texts)), texts)
        else:
            waiting = Batch(positions, Redacted([texts.reveal()[position] for position in positions]))
        full = list(parts(waiting, self.max_values))
        return iter(full) if all(map(self._is_small, full)) else self._pack_by_size(waiting)

    def _is_small(self, batch: Batch) -> bool:
        """Tell whether the batch is within the vault's size."""
        # Nearly always it is, even if JSON escaped every character.
        most = characters(batch.texts) * LONGEST_ESCAPE + len(batch) * (FRAMING + len('""')) + len("{}")
        return most <= self.max_batch_bytes or len(batch_body(batch.texts)) <= self.max_batch_bytes

    def _pack_by_size(self, waiting: Batch) -> Iterator[Batch]:
        start, size = 0, len("{}")
        for at in range(len(waiting)):
            added = encoded_size(Redacted(waiting.texts.reveal()[at]))
            if at > start and (at - start == self.max_values or size + added > self.max_batch_bytes):
                yield waiting[start:at]
                start, size = at, len("{}")
            size += added
        if len(waiting):
            yield waiting[start:]

    def token_batches(self, tokens: Iterable[str]) -> list[list[str]]:
        """Divide tokens into batches within the vault's limits."""
        return [batch.texts.reveal() for batch in self.pack(Redacted(list(tokens)))]

    def halves(self, batch: Sliceable) -> list[Sliceable]:
        """Split a batch that the vault calls too large."""
        if len(batch) == 1:
            raise BatchTooLarge(f"The vault {self.alias!r} refuses a batch of a single value as too large.")
        middle = len(batch) // 2
        return [batch[:middle], batch[middle:]]

    def plausible(self, tokens: Iterable[str]) -> dict[str, Any]:
        """Return, as keys, what may be sent as a reference token; the rest is unknown without asking."""
        texts = dict.fromkeys(tokens)
        if all(are_usual_tokens(Redacted(part), MAX_TOKEN_LENGTH) for part in parts(list(texts), AT_ONCE)):
            return texts
        return dict.fromkeys(filter(_is_plausible, map(str.__str__, texts)))

    def read_batch(self, answer: Answer, call: str, count: int, *, inside: str | None = None) -> Redacted[list[Any]]:
        """Return the strings (or None, where the overflow flag allows it) of a batch's answer, by position.

        Raises ``InvalidResponse`` for anything that is not what was asked for. ``inside`` names the key that the
        answer holds the batch under.
        """
        values = answer.json()
        if inside is not None:
            values = Redacted(pick(values.reveal(), inside))
        texts, problem = parse_batch(values, count, answer.flag(OVERFLOW))
        # JSON can spell lone surrogates, with a backslash.
        if problem is None and b"\\" in answer.body.reveal() and not is_encodable(texts):
            problem = "values that are no text"
        if problem is not None:
            raise self.invalid(call, problem)
        return texts

    def read_tokens(self, tokens: Redacted[list[Any]], call: str, texts: Redacted[list[str]]) -> list[str]:
        """Return the answer's reference tokens, in the order of the texts that were sent.

        Raises ``InvalidResponse`` for anything else: an echo of the request would bring plaintext into the column.
        A token is opaque: what it looks like is the vault's business.
        """
        usual = are_usual_tokens(tokens, self.max_token_length)
        if not (usual or all(map(self._fits_column, tokens.reveal()))) or _overlap(tokens, texts):
            raise self.invalid(call, "something that is no reference token")
        return tokens.reveal()

    def _fits_column(self, token: object) -> bool:
        return (
            isinstance(token, str) and len(token) <= self.max_token_length
            and token.isprintable() and token.split() == [token]
        )  # fmt: skip

    def invalid(self, call: str, problem: str) -> InvalidResponse:
        return InvalidResponse(
            f"The vault {self.alias!r} answered {call} with {problem}. Nothing of the answer was used. Check that "
            f"LOCATION is the vault itself and that no proxy changes its answers."
        )


#: Bytes of the longest escape of one character in JSON: ``\u0000``.
LONGEST_ESCAPE = 6


def pick(answer: object, *keys: str) -> object:
    """Return what an answer holds under nested keys, ``None`` if there is nothing."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    return answer


def _is_plausible(token: str) -> bool:
    return 0 < len(token) <= MAX_TOKEN_LENGTH and token.isprintable() and not is_erased(token)


def _overlap(tokens: Redacted[list[str]], texts: Redacted[list[str]]) -> bool:
    # Nearly always their lengths tell; to look each up takes six times as long.
    if set(map(len, tokens.reveal())).isdisjoint(map(len, texts.reveal())):
        return False
    return not set(texts.reveal()).isdisjoint(tokens.reveal())
