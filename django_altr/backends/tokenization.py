"""What ALTR's Vaulted and Critical services (v2) share: Basic auth, batches with positional keys, deletion.

Source: the documented API, and ALTR's own open-source client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django_altr.http import Answer, BasicAuth, Call, Job, Step
from django_altr.redact import Redacted

from .batch import Batch, batch_body, known_texts
from .remote import NO_TEXTS, NO_TOKENS, TOO_LARGE, RemoteBackend, Texts, Tokens

__all__ = ["TokenizationBackend"]

JSON = {"Content-Type": "application/json"}


class TokenizationBackend(RemoteBackend):
    """A v2 service. LOCATION is its documented base URL; ``/batch...`` is added. Metadata is not kept there.

    The service allows 50 requests a second; the option ``rate_limit`` keeps one process within it.
    """

    supports_deterministic = True
    supports_delete = True
    default_options: ClassVar[Mapping[str, Any]] = {"rate_limit": 50.0}

    def credentials(self) -> BasicAuth:
        params = self.params.reveal()
        return BasicAuth(params["KEY"], params["SECRET"])

    def put_many(self, texts: Redacted[list[str]], labels: list[str | None], deterministic: bool) -> list[str]:
        return self.store([partial(self._tokenize, batch, deterministic) for batch in self.pack(texts)])

    def delete_many(self, tokens: Iterable[str]) -> None:
        jobs = [partial(self._delete, batch) for batch in self.token_batches(self.plausible(tokens))]
        self._workers.run(jobs, lambda nothing: None)

    def _tokenize(self, batch: Batch, deterministic: bool) -> Job[Tokens]:
        call = Call(
            "tokenize", "POST", "/batch", "/batch",
            right="tokenize deterministically" if deterministic else "tokenize",
            body=batch_body(batch.texts),
            headers={**JSON, "X-ALTR-DETERMINISM": "true" if deterministic else "false"},
            accepts=TOO_LARGE,
        )  # fmt: skip
        answer = self._client.exchange(call)
        return partial(self._read_tokens, answer, batch, deterministic)

    def _read_tokens(self, answer: Answer, batch: Batch, deterministic: bool) -> Step[Tokens]:
        if answer.status in TOO_LARGE:
            halves = [partial(self._tokenize, half, deterministic) for half in self.halves(batch)]
            return Step(NO_TOKENS, halves, again=True)
        answered = self.read_batch(answer, "tokenize", len(batch), inside="data")
        tokens = self.read_tokens(answered, "tokenize", batch.texts)
        return Step(zip(batch.positions, tokens, strict=True))

    def get_batch(self, tokens: list[str]) -> Job[Texts]:
        answer = self._send("detokenize", "/batch", "detokenize", tokens, accepts=TOO_LARGE | {400})
        if answer.status == 400:
            # One of them is no token (any more): ask again in the way that leaves such values alone.
            answer = self._send("partial detokenize", "/batch/partial", "detokenize", tokens, accepts=TOO_LARGE)
        return partial(self._read_texts, answer, tokens)

    def _read_texts(self, answer: Answer, tokens: list[str]) -> Step[Texts]:
        if answer.status in TOO_LARGE:
            return Step(NO_TEXTS, [partial(self.get_batch, half) for half in self.halves(tokens)], again=True)
        texts = self.read_batch(answer, "detokenize", len(tokens), inside="data")
        return Step(known_texts(tokens, texts))

    def _delete(self, tokens: list[str]) -> Step[None]:
        answer = self._send("delete", "/batch/delete", "delete", tokens, accepts=TOO_LARGE | {400})
        if answer.status == 400 and len(tokens) == 1:
            return self._check_gone(tokens)
        if answer.status != 200:
            # One of them may be no token: the others are still to be deleted.
            return Step(None, [partial(self._delete, half) for half in self.halves(tokens)], again=True)
        parsed = answer.json().reveal()
        if not isinstance(parsed, dict) or parsed.get("success") is not True:
            raise self.invalid("delete", "no success")
        return Step(None)

    def _check_gone(self, tokens: list[str]) -> Step[None]:
        """A token that was deleted before is refused; make sure that this is the reason."""
        answer = self._send("partial detokenize", "/batch/partial", "detokenize", tokens)
        if self.read_batch(answer, "partial detokenize", 1, inside="data").reveal() != tokens:
            raise self.invalid("delete", "a refusal (HTTP 400), and still knows the token")
        return Step(None)

    def _send(
        self, name: str, path: str, right: str, tokens: list[str], accepts: frozenset[int] = frozenset()
    ) -> Answer:
        body = batch_body(Redacted(tokens), printable=True)
        return self._client.exchange(
            Call(name, "PUT", path, path, right=right, body=body, headers=JSON, accepts=accepts)
        )
