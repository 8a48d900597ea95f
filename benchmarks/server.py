"""A vault that answers as fast as Python can, so that the clients are what is measured.

It speaks the wire of PutData, GetData, PostBatch and GetBatch, and ``/_sandbox/`` as the sandbox does, but checks
nothing: no signature, no limit. The first million million tokens are known: ``token(n)`` stands for ``text(n)``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import Counter

BATCH, SINGLE = "/api/v1/batch", "/api/v1/single/"
WRITTEN = 10**12
KEY, SECRET = "benchmark-key", "benchmark-secret"


def token(number: int) -> str:
    return f"chain_{number:064x}"


def text(number: int) -> str:
    return f"customer.{number:09d}@mail.example.com"


class Vault:
    """What all connections share."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.connections = 0
        self.counts: Counter[str] = Counter()
        self.values: dict[str, str] = {}
        self.numbers = itertools.count(WRITTEN)

    def find(self, reference: str) -> str:
        return self.values.get(reference) or text(int(reference[6:], 16))

    def store(self, value: str) -> str:
        reference = token(next(self.numbers))
        self.values[reference] = value
        return reference

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        route = path if path in (BATCH, SINGLE) else f"{SINGLE}:referenceToken"
        self.counts[f"{method} {route}"] += 1
        if route == BATCH:
            change = self.find if method == "PUT" else self.store
            return dump({key: change(value) for key, value in json.loads(body).items()})
        if method == "POST":
            return dump({"success": True, "response": {"data": {"referenceToken": self.store(body.decode())}}})
        return self.find(path.removeprefix(SINGLE)).encode()

    def control(self, path: str, body: bytes) -> bytes:
        if path.endswith("/misbehave"):
            self.latency = json.loads(body)["latency"]
        elif path.endswith("/reset"):
            self.latency = 0.0
            self.values.clear()
        return dump({"connections": self.connections, "counts": self.counts})


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests are not pipelined."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.received = vault, bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.vault.connections += 1

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.received[:end].decode("latin-1")
        if len(self.received) < end + 4 + length_of(head):
            return
        body = bytes(self.received[end + 4 :])
        self.received.clear()
        method, path, _ = head.split(" ", 2)
        self.respond(method, path, body)

    def respond(self, method: str, path: str, body: bytes) -> None:
        if path.startswith("/_sandbox/"):
            return self.send(self.vault.control(path, body))
        if not self.vault.latency:
            return self.send(self.vault.answer(method, path, body))
        loop = asyncio.get_running_loop()
        # The latency includes the work, as that of a network and a server far away does.
        loop.call_at(loop.time() + self.vault.latency, self.send, self.vault.answer(method, path, body))

    def send(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
        self.transport.write(head.encode() + body)  # type: ignore[attr-defined]


def length_of(head: str) -> int:
    _, found, rest = head.lower().partition("content-length:")
    return int(rest.partition("\r\n")[0]) if found else 0


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


async def serve() -> None:
    vault = Vault()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(vault), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent's end of the pipe closes with the parent.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
