"""A TCP proxy before the vault that breaks what passes through it."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["FAULTS", "FaultyProxy"]

Break = Callable[[socket.socket, bytes], None]


def _reset(client: socket.socket, answer: bytes) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def _sends(change: Callable[[bytes], bytes]) -> Break:
    """Return a fault that sends a changed answer and closes the connection."""
    return lambda client, answer: client.sendall(change(answer))


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def _with_length(answer: bytes, more: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_body(answer)) + more, _body(answer))


#: What happens to the vault's answer on its way back.
FAULTS: dict[str, Break] = {
    "reset": _reset,
    "closed without an answer": _sends(lambda answer: b""),
    "closed in the status line": _sends(lambda answer: answer[:10]),
    "closed in the headers": _sends(lambda answer: answer[:60]),
    "closed in the body": _sends(lambda answer: answer[:-1]),
    "reset in the body": lambda client, answer: (client.sendall(answer[:-1]), _reset(client, answer))[0],
    "garbage": _sends(lambda answer: b"\x00\xff\x15\x03\x01" * 50 + b"\r\n\r\n"),
    "another protocol": _sends(lambda answer: b"SSH-2.0-OpenSSH_9.6\r\n"),
    "strange status": _sends(lambda answer: b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "status of words": _sends(lambda answer: b"HTTP/1.1 OK fine\r\n\r\n"),
    "endless headers": _sends(lambda answer: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000),
    "huge header": _sends(lambda answer: b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
    "length too long": _sends(lambda answer: _with_length(answer, 100)),
    "length of words": _sends(lambda answer: b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
    "broken chunks": _sends(lambda answer: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    "no content": _sends(lambda answer: b"HTTP/1.1 204 No Content\r\n\r\n"),
    "not modified": _sends(lambda answer: b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "false compression": _sends(
        lambda answer: b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "redirect": _sends(
        lambda answer: b"HTTP/1.1 307 Temporary\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    ),
    "deep JSON": _sends(lambda answer: b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000),
    "huge number": _sends(lambda answer: b"HTTP/1.1 200 OK\r\nContent-Length: 9005\r\n\r\n" + b'{"0":' + b"9" * 9000),
    "surrogate": _sends(lambda answer: b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"0":"\\ud800"}'),
    "JSON's NaN": _sends(lambda answer: b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"0":NaN}'),
}


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    fault: Break | None = None
    vault: tuple[str, int]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client hung up: that is what it should do."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        while request := _read_message(self.request):
            answer = self._ask(request)
            if self.server.fault is not None:
                self.server.fault(self.request, answer)
                return
            self.request.sendall(answer)

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection(self.server.vault) as vault:
            vault.sendall(request)
            return _read_message(vault)


def _read_message(connection: socket.socket) -> bytes:
    """Read headers, and as much of a body as they announce."""
    message = b""
    while b"\r\n\r\n" not in message:
        if not (piece := connection.recv(65536)):
            return message
        message += piece
    head, _, body = message.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class FaultyProxy:
    def __init__(self, vault_url: str) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        host, port = vault_url.removeprefix("http://").split(":")
        self._server.vault = host, int(port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def breaks(self, fault: str) -> Iterator[None]:
        self._server.fault = FAULTS[fault]
        try:
            yield
        finally:
            self._server.fault = None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
