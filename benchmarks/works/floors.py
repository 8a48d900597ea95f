"""The bare floors: Django with plain CharFields, and ``http.client`` with a signature, without any care."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from ..server import KEY, SECRET, token
from . import Work
from .database import FIELDS, configure, create_table, fill, plaintext

BATCH = 1024
POSITIONS = [str(position) for position in range(BATCH)]


class Wire:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        self.connection = HTTPConnection(urlsplit(url).netloc)

    def call(self, method: str, path: str, body: bytes | None, headers: dict[str, str], resource: str = "") -> bytes:
        date = datetime.now(UTC).isoformat()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), f"{method}\n{resource}\n{date}\n".encode(), "sha256"))
        signed = {**headers, "X-ALTR-DATE": date, "Authorization": f"ALTR {KEY}:{signature.decode()}"}
        self.connection.request(method, path, body, signed)
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == 200, response.status
        return answer

    def batch(self, method: str, values: list[str]) -> list[str]:
        body = json.dumps(dict(zip(POSITIONS, values, strict=False))).encode()
        answer = json.loads(self.call(method, "/api/v1/batch", body, {"Content-Type": "application/json"}))
        return list(answer.values())

    def put_data(self, value: str, label: str) -> str:
        headers = {"Content-Type": "application/octet-stream", "X-ALTR-METADATA": label}
        answer = json.loads(self.call("POST", "/api/v1/single/", value.encode(), headers))
        return str(answer["response"]["data"]["referenceToken"])

    def get_data(self, reference: str) -> str:
        return self.call("GET", f"/api/v1/single/{reference}", None, {}, reference).decode()


def batches(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))


def in_threads(wires: list[Wire], work: Callable[[Wire, Any], Any], things: Iterable[Any]) -> list[Any]:
    """Do the work for all things, a thread for each wire; return the results in order."""
    waiting, done = iter(list(enumerate(things))), {}

    def run(wire: Wire) -> None:
        for position, thing in waiting:
            done[position] = work(wire, thing)

    threads = [threading.Thread(target=run, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [done[position] for position in sorted(done)]


def plain_model(names: Iterable[str] = FIELDS) -> Any:
    from django.db import models

    class Meta:
        app_label = "benchmarks"

    columns = {name: models.CharField(max_length=255) for name in names}
    return type("Plain", (models.Model,), {"__module__": __name__, "Meta": Meta, **columns})


class Plain(Work):
    """A table of plain CharFields."""

    value = staticmethod(plaintext)

    def setup(self) -> None:
        configure(self.options)
        self.names = FIELDS[: getattr(self.options, "fields", 3)]
        self.model = plain_model(self.names)
        create_table(self.model)
        fill(self.model, self.options.rows, self.value, self.names)


class PlainRead(Plain):
    """Read all rows and touch their values."""

    def __call__(self) -> int:
        return touch(self.model.objects.all(), self.names)


class PlainReadAndWire(PlainRead):
    """The same, and beside it the bare batch requests for as many tokens."""

    def setup(self) -> None:
        super().setup()
        self.wires = [Wire(self.options.url) for _ in range(self.options.workers)]
        self.tokens = list(map(token, range(self.options.rows * len(self.names))))

    def __call__(self) -> int:
        size = super().__call__()
        if len(self.wires) == 1:
            texts = [self.wires[0].batch("PUT", batch) for batch in batches(self.tokens)]
        else:
            texts = in_threads(self.wires, lambda wire, batch: wire.batch("PUT", batch), batches(self.tokens))
        assert sum(len(text) for each in texts for text in each) == size
        return size


class ReadOneByOne(Plain):
    """One GET a row, over one kept-alive connection."""

    value = staticmethod(token)

    def setup(self) -> None:
        super().setup()
        self.wire = Wire(self.options.url)

    def __call__(self) -> int:
        return sum(
            len(self.wire.get_data(getattr(row, name))) for row in self.model.objects.all() for name in self.names
        )


class PlainIterate(Plain):
    """Iterate over rows whose columns hold as many characters as tokens have, and touch nothing."""

    value = staticmethod(token)

    def __call__(self) -> int:
        return sum(1 for _ in self.model.objects.all())


class PlainIds(PlainIterate):
    def __call__(self) -> int:
        return sum(self.model.objects.values_list("id", flat=True))


class PutData(Work):
    """One bare PutData."""

    def setup(self) -> None:
        self.wire = Wire(self.options.url)

    def __call__(self) -> int:
        return len(self.wire.put_data("a changed value", "benchmarks.Person.name"))


class PlainBulkCreate(Work):
    """Bare requests in threads, then a plain bulk_create of the tokens that they gave."""

    def setup(self) -> None:
        configure(self.options)
        self.model = plain_model(["name"])
        create_table(self.model)
        self.wires = [Wire(self.options.url) for _ in range(self.options.workers)]

    def before(self) -> None:
        self.model.objects.all().delete()

    def __call__(self) -> int:
        texts = list(map(plaintext, range(self.options.rows)))
        self.model.objects.bulk_create([self.model(name=reference) for reference in self.tokenize(texts)])
        return len(texts)

    def tokenize(self, texts: list[str]) -> list[str]:
        return in_threads(self.wires, lambda wire, text: wire.put_data(text, "benchmarks.Person.name"), texts)


class PlainBulkCreateByBatch(PlainBulkCreate):
    def tokenize(self, texts: list[str]) -> list[str]:
        answers = in_threads(self.wires, lambda wire, batch: wire.batch("POST", batch), batches(texts))
        return list(itertools.chain.from_iterable(answers))


def touch(rows: Iterable[Any], names: Iterable[str]) -> int:
    """Return the characters of all values."""
    return sum(len(getattr(row, name)) for row in rows for name in names)
