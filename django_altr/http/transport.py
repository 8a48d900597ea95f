"""The requests session of a vault: verified TLS, bounded connections, no redirects, no cookies, no netrc."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError
from urllib3.util import Retry, Timeout

try:
    from urllib3 import BaseHTTPResponse
except ImportError:  # requests takes urllib3 1.26, too
    raise ImportError("django-altr needs urllib3 2: pip install 'urllib3>=2'.") from None

from .deadline import Deadline
from .flight import current_flight
from .location import is_loopback, is_plain_http

__all__ = ["BundleError", "VaultSession", "new_session"]

#: Bytes of an answer that are received at once: about as many as that of a batch has.
ANSWER = 65536
#: Bytes handed to a TLS socket at once: one record, so that each has its own timeout. (A plain socket has one timeout
#: for whatever it is given.)
PIECE = 16384


class BundleError(ValueError):
    """The file with the trusted certificates cannot be read."""


class _BoundedReader(io.RawIOBase):
    """The read side of a socket: every ``recv`` gets only the time that is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.timeout())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        try:
            self._raw.close()
        finally:
            super().close()


class _BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock, current_flight().deadline), ANSWER)


class _BoundedConnection(HTTPConnection):
    """Connect, send and receive before the deadline of the exchange."""

    response_class = _BoundedResponse
    #: urllib3's looks for a mark that no header has here.
    putheader = http.client.HTTPConnection.putheader
    #: Head and body of a request on their way into one ``sendall``: one packet less, one system call less.
    _pieces: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._pieces = []
        try:
            super().request(*args, **kwargs)
        finally:
            pieces, self._pieces = self._pieces, None
        self.send(b"".join(pieces))
        current_flight().waits()

    def _new_conn(self) -> socket.socket:
        deadline = current_flight().deadline
        current_flight().waits()
        limit = deadline.timeout(self.timeout)
        sock = super()._new_conn() if is_loopback(self._dns_host) else self._connect_within(limit)
        # For the TLS handshake, which follows.
        sock.settimeout(deadline.timeout(self.timeout))
        return sock

    def _connect_within(self, limit: float) -> socket.socket:
        # Looking up a name knows no timeout, and each of its addresses would get the whole one.
        connected: Future[socket.socket] = Future()
        connect = super()._new_conn

        def work() -> None:
            try:
                connected.set_result(connect())
            except BaseException as error:
                connected.set_exception(error)

        threading.Thread(target=work, name="altr-connect", daemon=True).start()
        try:
            return connected.result(limit)
        except TimeoutError:
            connected.add_done_callback(_close_late)
        raise ConnectTimeoutError(self, "The vault's host could not be reached in time.")

    def send(self, data: Any) -> None:
        if self._pieces is not None:
            self._pieces.append(data)
            return
        deadline, view = current_flight().deadline, memoryview(data)
        size = PIECE if isinstance(self.sock, ssl.SSLSocket) else len(view) or 1
        for start in range(0, len(view), size):
            if self.sock is not None:
                self.sock.settimeout(deadline.timeout())
            super().send(view[start : start + size])


def _close_late(connected: Future[socket.socket]) -> None:
    if connected.exception() is None:
        connected.result().close()


class _BoundedHTTPSConnection(_BoundedConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedHTTPSConnection


class _Adapter(HTTPAdapter):
    """One TLS context for all connections: requests would load the CA bundle again for each (22 ms)."""

    def __init__(self, context: ssl.SSLContext | None, pool_maxsize: int) -> None:
        self._context = context
        super().__init__(pool_connections=2, pool_maxsize=pool_maxsize, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context)
        if not proxy.lower().startswith("socks"):
            _bound(manager)
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, True, None)
        return host, {"cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # The context holds the CA bundle; whatever ``verify`` says, it stays on.
        conn.cert_reqs = "CERT_REQUIRED"


def _bound(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


#: The client counts the tries: none here, and no redirects (one could lead a value to another host).
_ONCE = Retry(False, redirect=False)


class VaultSession(requests.Session):
    """A session for one host."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self._location = location
        self._path = urlsplit(location).path
        self._pool: HTTPConnectionPool | None = None

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], auth: AuthBase, timeout: Timeout
    ) -> BaseHTTPResponse:
        """Send one request below the location, over the adapter's connections; return the answer, body read.

        ``Session.request`` would merge settings, look for cookies, hooks and redirects, and choose adapter, proxy and
        pool, for each request anew: more than half of the time that a small one takes.
        """
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, self._location + path, body
        request.headers = {**self.headers, **headers}  # type: ignore[assignment]
        auth(request)
        return self._open_pool(request).urlopen(
            method, self._path + path, body, request.headers,
            retries=_ONCE, redirect=False, assert_same_host=False, timeout=timeout,
        )  # fmt: skip

    def _open_pool(self, request: requests.PreparedRequest) -> HTTPConnectionPool:
        if self._pool is None:
            adapter: Any = self.get_adapter(self._location)
            self._pool = adapter.get_connection_with_tls_context(request, True, self.proxies)
        return self._pool


def new_session(location: str, *, ca_bundle: str | None, pool_maxsize: int) -> VaultSession:
    """Return a session for one vault. The environment (proxies, CA bundle) is read now, once."""
    session = VaultSession(location)
    session.trust_env = False
    session.headers = requests.structures.CaseInsensitiveDict(
        # No compression: an answer is as large as it says.
        {"User-Agent": "django-altr", "Accept-Encoding": "identity"}
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    if is_plain_http(location):
        session.mount("http://", _Adapter(None, pool_maxsize))
    else:
        session.proxies = dict(get_environ_proxies(location))
        session.mount("https://", _Adapter(tls_context(ca_bundle), pool_maxsize))
    return session


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a verifying TLS context for the bundle, or for the one that the environment names, or certifi's."""
    bundle = ca_bundle or next(filter(None, map(os.environ.get, _BUNDLE_VARIABLES)), None) or DEFAULT_CA_BUNDLE_PATH
    folder = os.path.isdir(bundle)
    try:
        context = ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    except OSError:
        raise BundleError(f"the CA bundle {bundle!r} cannot be read") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
