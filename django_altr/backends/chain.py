"""ALTR's classic API ("chainAPI", v1): single values with metadata, batches, HMAC signatures.

Source: ALTR's documentation of PutData, GetData, GetMetadata, PostBatch and GetBatch.
"""

from __future__ import annotations

import hashlib
import re
from functools import partial
from urllib.parse import quote

from django_altr.exceptions import TokenNotFound, ValueTooLarge
from django_altr.http import Answer, Call, HmacAuth, Job, Step
from django_altr.markers import is_erased
from django_altr.redact import Redacted

from .base import TokenStatus, decode_metadata, encode_metadata
from .batch import MAX_UTF8, Batch, batch_body, known_texts, longest
from .remote import NO_TEXTS, NO_TOKENS, OVERFLOW, TOO_LARGE, RemoteBackend, Texts, Tokens, pick

__all__ = ["ChainBackend"]

SINGLE, BATCH = "/api/v1/single/", "/api/v1/batch"
JSON = {"Content-Type": "application/json"}
#: Bytes of one value in a batch. The documentation says 3 kB: 3,000 is inside of either reading.
MAX_BATCH_VALUE_BYTES = 3000
#: What may stand in a URL's path: a slash or a dot segment from a tampered column could name another call.
PATH_TOKEN = re.compile(r"[A-Za-z0-9._~+=:@-]{1,1024}")


class ChainBackend(RemoteBackend):
    """The classic vault. LOCATION is scheme and host; ``/api/v1/...`` is added.

    Values with metadata go through PutData, one request each, in parallel; values without go in batches. Metadata
    that is not plain ASCII travels percent-encoded as RFC 8187 says.
    """

    max_values = 1024
    max_deterministic_bytes = MAX_BATCH_VALUE_BYTES
    supports_metadata = True
    supports_status = True
    supports_deterministic = True
    location_hint = "It is scheme and host of the vault, for example 'https://altr.example.com'."

    def credentials(self) -> HmacAuth:
        params = self.params.reveal()
        return HmacAuth(params["KEY"], params["SECRET"], clock=self.clock)

    def put_many(self, texts: Redacted[list[str]], labels: list[str | None], deterministic: bool) -> list[str]:
        if deterministic:
            return self._tokenize_equal(texts)
        single = self._single(texts, labels)
        batched = sorted(set(range(len(texts))).difference(single)) if single else None
        jobs: list[Job[Tokens]] = []
        jobs += [partial(self._post_batch, batch, False) for batch in self.pack(texts, batched)]
        jobs += [partial(self._put_data, at, Redacted(texts.reveal()[at]), labels[at]) for at in single]
        return self.store(jobs)

    def _single(self, texts: Redacted[list[str]], labels: list[str | None]) -> list[int]:
        """Return the positions of the values that no batch can take: those with metadata, and large ones."""
        labelled = set(labels) != {None}
        single = {position for position, label in enumerate(labels) if label is not None} if labelled else set()
        if longest(texts) * MAX_UTF8 > MAX_BATCH_VALUE_BYTES:
            single.update(at for at in range(len(texts)) if len(texts.reveal()[at].encode()) > MAX_BATCH_VALUE_BYTES)
        return sorted(single)

    def _tokenize_equal(self, texts: Redacted[list[str]]) -> list[str]:
        """Ask for deterministic tokens: each distinct text once."""
        distinct = Redacted(list(dict.fromkeys(texts.reveal())))
        tokens = self.store([partial(self._post_batch, batch, True) for batch in self.pack(distinct)])
        by_text = Redacted(dict(zip(distinct.reveal(), tokens, strict=True)))
        return [by_text.reveal()[text] for text in texts.reveal()]

    def metadata(self, token: str) -> str | None:
        answer = self._get("GetMetadata", token, "/metadata")
        parsed = answer.json().reveal()
        if not isinstance(parsed, dict) or not isinstance(parsed.get("metadata"), str | None):
            raise self.invalid("GetMetadata", "something else than metadata")
        label: str | None = parsed.get("metadata")
        return None if label is None else decode_metadata(label)

    def status(self, token: str) -> TokenStatus:
        parsed = self._get("token status", token, "/status").json().reveal()
        for key in ("response", "data"):
            parsed = parsed.get(key) if isinstance(parsed, dict) else None
        flags = [parsed.get(key) if isinstance(parsed, dict) else None for key in TokenStatus.__annotations__]
        if not all(isinstance(flag, bool) for flag in flags):
            raise self.invalid("token status", "something else than a status")
        active, protected, available = map(bool, flags)
        return {"token_active": active, "data_protected": protected, "data_available": available}

    # Writing

    def _post_batch(self, batch: Batch, deterministic: bool) -> Job[Tokens]:
        determinism = "true" if deterministic else "false"
        answer = self._client.exchange(
            Call(
                "PostBatch", "POST", BATCH, BATCH,
                right="write with deterministic tokens" if deterministic else "write",
                body=batch_body(batch.texts),
                headers={**JSON, "X-ALTR-DETERMINISM": determinism},
                accepts=TOO_LARGE,
            )
        )  # fmt: skip
        return partial(self._read_tokens, answer, batch, deterministic)

    def _read_tokens(self, answer: Answer, batch: Batch, deterministic: bool) -> Step[Tokens]:
        if answer.status in TOO_LARGE:
            halves = [partial(self._post_batch, half, deterministic) for half in self.halves(batch)]
            return Step(NO_TOKENS, halves, again=True)
        answered = self.read_batch(answer, "PostBatch", len(batch))
        if not (answer.flag(OVERFLOW) and None in answered.reveal()):
            tokens = self.read_tokens(answered, "PostBatch", batch.texts)
            return Step(zip(batch.positions, tokens, strict=True))
        if deterministic:
            raise ValueTooLarge(f"The vault {self.alias!r} makes no deterministic token for a value of this size.")
        given = Redacted([token for token in answered.reveal() if token is not None])
        tokens = self.read_tokens(given, "PostBatch", batch.texts)
        stored = [at for at, token in zip(batch.positions, answered.reveal(), strict=True) if token is not None]
        left_out = [
            partial(self._put_data, at, Redacted(batch.texts.reveal()[place]), None)
            for place, at in enumerate(batch.positions)
            if answered.reveal()[place] is None
        ]
        return Step(zip(stored, tokens, strict=True), left_out)

    def _put_data(self, position: int, text: Redacted[str], label: str | None) -> Step[Tokens]:
        headers = {"Content-Type": "application/octet-stream"}
        if label is not None:
            headers["X-ALTR-METADATA"] = encode_metadata(label)
        body = Redacted(text.reveal().encode())
        answer = self._client.exchange(
            Call("PutData", "POST", SINGLE, SINGLE, right="write", body=body, headers=headers)
        )
        given = Redacted([pick(answer.json().reveal(), "response", "data", "referenceToken")])
        [token] = self.read_tokens(given, "PutData", Redacted([text.reveal()]))
        return Step([(position, token)])

    # Reading

    def get_batch(self, tokens: list[str]) -> Job[Texts]:
        answer = self._client.exchange(
            Call(
                "GetBatch", "PUT", BATCH, BATCH,
                right="read", body=batch_body(Redacted(tokens), printable=True),
                headers=JSON, accepts=TOO_LARGE | {404},
            )
        )  # fmt: skip
        return partial(self._read_texts, answer, tokens)

    def _read_texts(self, answer: Answer, tokens: list[str]) -> Step[Texts]:
        if answer.status == 404:
            return Step(NO_TEXTS, self._without_unknown(tokens, answer), again=True)
        if answer.status in TOO_LARGE:
            return Step(NO_TEXTS, self._split(tokens), again=True)
        texts = self.read_batch(answer, "GetBatch", len(tokens))
        large = [at for at, text in enumerate(texts.reveal()) if text is None] if answer.flag(OVERFLOW) else []
        return Step(known_texts(tokens, texts), [partial(self._get_data, tokens[at]) for at in large])

    def _without_unknown(self, tokens: list[str], answer: Answer) -> list[Job[Texts]]:
        """Return the reads of the other tokens: a 404 names the unknown ones, or else the batch is halved."""
        kind, message = answer.error()
        if kind != "resource_not_found":
            raise self.invalid("GetBatch", "HTTP 404 that is not ALTR's")
        named = set(re.split(r"[\s,;\"'\[\]]+", message))
        others = [token for token in tokens if token.rstrip(".") not in named and token not in named]
        if len(others) < len(tokens):
            return [partial(self.get_batch, batch) for batch in self.token_batches(others)]
        return self._split(tokens) if len(tokens) > 1 else []

    def _split(self, tokens: list[str]) -> list[Job[Texts]]:
        if len(tokens) == 1:
            # Over the limit all by itself: single values have none.
            return [partial(self._get_data, tokens[0])]
        return [partial(self.get_batch, half) for half in self.halves(tokens)]

    def _get_data(self, token: str) -> Step[Texts]:
        for _ in range(2):
            answer = self._ask("GetData", token, "")
            if answer is None:
                return Step(NO_TEXTS)
            if _is_intact(answer):
                break
        else:
            raise self.invalid("GetData", "data that its X-Expected-Hash does not match, twice")
        text = _decode(answer.body)
        if text.reveal() is None:
            raise self.invalid("GetData", "data that is no UTF-8 text")
        return Step(Redacted([(token, text.reveal())]))

    def _get(self, name: str, token: str, suffix: str) -> Answer:
        answer = self._ask(name, str.__str__(token), suffix)
        if answer is None:
            raise TokenNotFound([token])
        return answer

    def _ask(self, name: str, token: str, suffix: str) -> Answer | None:
        """Ask for one token; return ``None`` if the vault does not know it, or it can be none."""
        if not PATH_TOKEN.fullmatch(token) or token in (".", "..") or is_erased(token):
            return None
        path, route = f"{SINGLE}{quote(token, safe='')}{suffix}", f"{SINGLE}:referenceToken{suffix}"
        answer = self._client.exchange(
            Call(name, "GET", path, route, right="read", resource=token, accepts=frozenset({404}))
        )
        if answer.status == 404 and answer.error()[0] != "resource_not_found":
            raise self.invalid(name, "HTTP 404 that is not ALTR's")
        return None if answer.status == 404 else answer


def _is_intact(answer: Answer) -> bool:
    expected = answer.headers.get("X-Expected-Hash")
    digest = hashlib.md5(answer.body.reveal(), usedforsecurity=False).hexdigest()
    return expected is None or expected.strip().lower() == digest


def _decode(body: Redacted[bytes]) -> Redacted[str | None]:
    try:
        return Redacted(body.reveal().decode())
    except UnicodeDecodeError:
        # The error holds the data: it ends here.
        return Redacted(None)
