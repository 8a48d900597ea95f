"""The sandbox on a socket: cheroot reads the requests, this module writes the answers (or fails to, when told so)."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import time
from email.utils import formatdate
from http.client import responses
from typing import TYPE_CHECKING, Any

from cheroot import errors
from cheroot import server as cheroot
from cheroot.ssl.builtin import BuiltinSSLAdapter

from .classic import nested_error
from .misbehave import Plan
from .wire import ApiError, Request, Response

if TYPE_CHECKING:
    from .service import Sandbox

__all__ = ["Server"]

logger = logging.getLogger("django_altr.sandbox")

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
#: Seconds that a client whose request was refused may go on sending it.
LINGER = 2.0
REASONS = responses | {509: "Bandwidth Limit Exceeded"}


class BadBody(Exception):
    """The request's body cannot be read to its end."""


class HTTPRequest(cheroot.HTTPRequest):
    """cheroot's parser, stricter, and with errors in JSON."""

    def read_request_line(self) -> bool:
        try:
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]
        except (ValueError, UnboundLocalError):  # urlsplit("//[")
            self.simple_response("400 Bad Request", "Malformed Request-URI")
            return False

    def read_request_headers(self) -> bool:
        try:
            if not super().read_request_headers():  # type: ignore[no-untyped-call]
                return False
        except UnboundLocalError:  # a continuation line without a header before it
            self.simple_response("400 Bad Request", "Illegal header line.")
            return False
        length = self.inheaders.get(b"Content-Length")
        if length is not None and (self.chunked_read or not re.fullmatch(rb"[0-9]+", length)):
            self.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            return False
        return True

    def simple_response(self, status: str | int, msg: str = "") -> None:
        """Answer what cannot be parsed; the connection is closed after it."""
        code = int(str(status)[:3])
        response = Response.json(nested_error(ApiError(code, msg or str(status)[4:])), code)
        self.close_connection = True
        self.conn.wfile.write(serialize(self, response))
        linger(self.conn.socket)


class HTTPConnection(cheroot.HTTPConnection):
    RequestHandlerClass = HTTPRequest

    def __init__(self, server: Server, *args: Any, **kwargs: Any) -> None:
        super().__init__(server, *args, **kwargs)
        self.number = server.sandbox.connect()


class Gateway(cheroot.Gateway):
    """Hand a request to the sandbox and send what it answers."""

    def respond(self) -> None:
        try:
            request = read_request(self.req)
        except BadBody as error:
            self.req.sent_headers = True
            self.req.simple_response("400 Bad Request", str(error))
            return
        response, plan = self.req.server.sandbox.handle(request)
        self.req.sent_headers = True
        announced = self.req.close_connection
        if response is None or plan.drop:
            self.req.close_connection = True
        if response is not None:
            send(self.req, response, plan, close=announced)


class TLSAdapter(BuiltinSSLAdapter):
    def wrap(self, sock: socket.socket) -> Any:
        try:
            return super().wrap(sock)  # type: ignore[no-untyped-call]
        except errors.NoSSLError as error:
            # cheroot would leave an answer in plain HTTP to the garbage collector, which complains (its issue 734).
            raise errors.FatalSSLAlert(*error.args) from error


class Server(cheroot.HTTPServer):
    """A threaded HTTP/1.1 server with keep-alive for one sandbox."""

    ConnectionClass = HTTPConnection
    keep_alive_conn_limit = None  # type: ignore[assignment]
    max_request_header_size = MAX_HEADER_BYTES
    max_request_body_size = MAX_BODY_BYTES
    request_queue_size = 128
    shutdown_timeout = 1
    expiration_interval = 0.1
    timeout = 60

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__((sandbox.host, sandbox.port), Gateway, minthreads=sandbox.threads, server_name="altr-sandbox")
        self.sandbox = sandbox
        if sandbox.tls:
            certificate, private_key = map(str, sandbox.tls)
            self.ssl_adapter = TLSAdapter(certificate, private_key)

    @classmethod
    def prepare_socket(cls, *args: Any, **kwargs: Any) -> Any:
        sock = super().prepare_socket(*args, **kwargs)
        if os.name == "posix":
            # cheroot leaves it out on port 0, and then the same port cannot be had again after a stop.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()  # cheroot forgets it
            raise
        return socket_

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        logger.log(level, "%s", msg, exc_info=traceback and logger.isEnabledFor(logging.DEBUG))


def read_request(req: Any) -> Request:
    headers = req.inheaders
    return Request(
        method=req.method.decode("latin-1"),
        path=req.path.decode("latin-1"),
        headers=headers,
        body=read_body(req),
        connection=req.conn.number,
    )


def read_body(req: Any) -> bytes:
    try:
        body: bytes = req.rfile.read()
        if req.chunked_read:
            for _ in req.rfile.read_trailer_lines():
                pass
    except TimeoutError:
        raise
    except (ValueError, OSError, errors.MaxSizeExceeded):
        body = b""
        reason: str | None = "The chunked body is malformed or too long."
    else:
        reason = None
    if reason is None and not req.chunked_read and req.rfile.remaining:
        reason = "The body ended before its Content-Length."
    if reason is not None:
        raise BadBody(reason)
    return body


def linger(sock: socket.socket) -> None:
    """Let the client finish sending: to close with bytes unread resets the connection, and the answer is lost."""
    deadline = time.monotonic() + LINGER
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(LINGER / 4)
        while time.monotonic() < deadline and sock.recv(65536):
            pass


def send(req: Any, response: Response, plan: Plan, *, close: bool) -> None:
    answer = serialize(req, response, close=close)
    if plan.drop == "middle":
        answer = answer[: len(answer) - max(1, len(response.body) // 2)]
    if plan.drip:
        for position in range(len(answer)):
            req.server.sandbox.sleep(plan.drip)
            req.conn.socket.sendall(answer[position : position + 1])
    else:
        req.conn.socket.sendall(answer)


def serialize(req: Any, response: Response, *, close: bool = True) -> bytes:
    """Return the answer's bytes, to be sent in one go."""
    headers = {
        "Date": formatdate(req.server.sandbox.now(), usegmt=True),
        "Server": req.server.server_name,
        "Content-Length": str(len(response.body)),
        **response.headers,
    }
    if close:
        headers["Connection"] = "close"
    elif req.response_protocol == "HTTP/1.0":
        headers["Connection"] = "Keep-Alive"
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if getattr(req, "method", b"") == b"HEAD" else head + response.body
