"""``Sandbox``: the whole development vault, to be used inside a process (tests) or by the command."""

from __future__ import annotations

import ipaddress
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from .altcraft import Altcraft
from .app import Application, answer
from .auth import Key, Keyring
from .classic import Classic
from .control import PREFIX, Control
from .misbehave import Fault, Faults, Plan, matches
from .store import Store
from .v2 import CRITICAL, VAULTED, RateLimit, Tokenization
from .wire import Request, Response, Route

if TYPE_CHECKING:
    from .server import Server

__all__ = ["Record", "RemoteHost", "Sandbox"]

#: Records of requests that are kept; the counts go on beyond.
MAX_RECORDS = 100_000
#: Backend and path of its API by short name.
BACKENDS = {
    "chain": ("chain.ChainBackend", ""),
    "vaulted": ("vaulted.VaultedBackend", VAULTED.base),
    "critical": ("critical.CriticalBackend", CRITICAL.base),
}


class RemoteHost(ValueError):
    """The host is no loopback address, and ``allow_remote`` was not set."""


@dataclass(slots=True)
class Record:
    """A request that arrived. ``status`` is 0 as long as nothing was answered; ``values`` counts values, not bytes."""

    method: str
    path: str
    route: str
    connection: int
    status: int = 0
    values: int = 0


class Sandbox:
    """An ALTR-compatible vault for development and tests, listening on a socket of its own.

    ``port`` 0 takes a free one; ``data`` is the SQLite file that keeps the values, ``None`` for memory; ``data_cap`` is
    in bytes; ``rate_limit`` is requests a second of each v2 service; ``tls`` is the paths of certificate and private
    key; ``control`` opens ``/_sandbox/``; ``allow_remote`` permits a host that other machines can reach.

    >>> with Sandbox() as sandbox:
    ...     sandbox.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keys: Iterable[Key] | None = None,
        data: str | PathLike[str] | None = None,
        data_cap: int | None = None,
        rate_limit: int | None = None,
        threads: int = 32,
        tls: tuple[str | PathLike[str], str | PathLike[str]] | None = None,
        control: bool = False,
        allow_remote: bool = False,
    ) -> None:
        if not (allow_remote or is_loopback(host)):
            raise RemoteHost(f"Other machines can reach {host}: the sandbox is for development on this one.")
        self.host, self.port, self.threads, self.tls = host, port, threads, tls
        self._initial_keys = tuple(keys) if keys is not None else (Key(),)
        self._data_cap = data_cap
        self._keyring = Keyring(self._initial_keys, self.now)
        #: Seconds that the sandbox's clock is ahead of the real one.
        self.clock_offset = 0.0
        self.store = Store(data, cap=data_cap)
        self.altcraft = Altcraft(data, self.now)
        self.faults = Faults()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ids = itertools.count(1)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._forget_requests()
        self._application = Application(self._routes(rate_limit, control))

    def _routes(self, rate_limit: int | None, control: bool) -> list[Route]:
        routes = Classic(self.store, self._keyring).routes()
        for service in (VAULTED, CRITICAL):
            limit = RateLimit(rate_limit) if rate_limit else None
            routes += Tokenization(service, self.store, self._keyring, limit).routes()
        routes += self.altcraft.routes(control=control)
        return routes + (Control(self).routes() if control else [])

    # Running

    def start(self) -> Self:
        """Listen. After a ``stop`` it listens on the same port again, with the same values."""
        try:
            from .server import Server
        except ModuleNotFoundError as error:
            raise ImportError("The sandbox needs cheroot: pip install 'django-altr[sandbox]'") from error
        if self._server is not None:
            raise RuntimeError("The sandbox is running already.")
        self._server = Server(self)
        self._server.prepare()
        self.port = self._server.bind_addr[1]
        self._thread = threading.Thread(target=self._server.serve, name="altr-sandbox", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and close all connections; the values stay."""
        self._wake_sleepers()
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.stop()
            self._thread.join()

    def close(self) -> None:
        """Stop, and close the store."""
        self.stop()
        self.store.close()
        self.altcraft.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # How to reach it

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    @property
    def key(self) -> str:
        """The first key."""
        return self._initial_keys[0].key

    @property
    def secret(self) -> str:
        """The secret of the first key."""
        return self._initial_keys[0].secret

    def add_key(self, key: Key) -> Key:
        """Accept one more key, until ``reset``."""
        self._keyring.add(key)
        return key

    @property
    def altr_url(self) -> str:
        """The value for ``ALTR_URL`` in the environment."""
        return self._altr_url(quote(self.secret, safe=""))

    @property
    def altr_url_without_secret(self) -> str:
        return self._altr_url("<secret>")

    def _altr_url(self, secret: str) -> str:
        scheme, _, address = self.url.partition("://")
        return f"altr{'' if scheme == 'https' else '+http'}://{quote(self.key, safe='')}:{secret}@{address}"

    def settings(self, backend: str = "chain", *, key: Key | None = None, **options: Any) -> dict[str, Any]:
        """Return an entry for ``settings.ALTR``. ``backend`` is chain, vaulted or critical."""
        return vault_settings(self.url, key or self._initial_keys[0], backend, options)

    def now(self) -> float:
        """Return the sandbox's time, in seconds since 1970."""
        return time.time() + self.clock_offset

    # What happened

    @property
    def requests(self) -> list[Record]:
        """The requests so far, oldest first."""
        with self._lock:
            return list(self._records)

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self._connections

    @property
    def counts(self) -> dict[str, int]:
        """Number of requests by ``"METHOD route"``."""
        with self._lock:
            return {f"{method} {route}": count for (method, route), count in self._counts.items()}

    def count(self, route: str | None = None) -> int:
        """Count requests: all, those of a method (``"PUT"``) or of a route (``"PUT /api/v1/batch"``)."""
        with self._lock:
            counts = list(self._counts.items())
        return sum(count for (method, path), count in counts if matches(route, method, path))

    def reset(self, *, values: bool = True) -> None:
        """Behave again, at once; forget the requests, the added keys and, unless told otherwise, the values."""
        self.faults.clear()
        self._wake_sleepers()
        self.clock_offset = 0.0
        self.store.cap = self._data_cap
        self._keyring.replace(self._initial_keys)
        self._forget_requests()
        if values:
            self.store.clear()
            self.altcraft.clear()

    def _forget_requests(self) -> None:
        with self._lock:
            self._records: deque[Record] = deque(maxlen=MAX_RECORDS)
            self._counts: Counter[tuple[str, str]] = Counter()
            self._connections = 0

    # What goes wrong

    def misbehave(self, **fault: Any) -> Misbehaviour:
        """Add a fault (the arguments are those of ``misbehave.Fault``); as a context manager, for its block only."""
        added = Fault(**fault)
        self.faults.add(added)
        return Misbehaviour(self.faults, added)

    # For the server

    def sleep(self, seconds: float) -> bool:
        """Wait; return true if ``stop`` or ``reset`` cut the wait short."""
        return self._wake.wait(seconds)

    def _wake_sleepers(self) -> None:
        wake, self._wake = self._wake, threading.Event()
        wake.set()

    def connect(self) -> int:
        """Count a connection; return its number."""
        with self._lock:
            self._connections += 1
            return next(self._ids)

    def handle(self, request: Request) -> tuple[Response | None, Plan]:
        """Answer a request; ``None`` if the connection is to be closed without an answer."""
        route = self._application.find(request)
        if route.path.startswith(PREFIX):
            return answer(route, request), Plan()
        plan = self.faults.plan(request, route)
        record = self._record(request, route)
        woken = bool(plan.latency) and self.sleep(plan.latency)
        if woken or plan.drop == "before":
            return None, plan
        response = plan.replacement() or answer(route, request)
        record.values = request.values
        if plan.drop == "lost":
            return None, plan
        if response.status == 200:
            response = plan.corrupted(response)
        record.status = response.status
        return response, plan

    def _record(self, request: Request, route: Route) -> Record:
        record = Record(request.method, request.path, route.path, request.connection)
        with self._lock:
            self._records.append(record)
            self._counts[request.method, route.path] += 1
        return record


class Misbehaviour:
    """A fault in force; ``stop`` ends it, as leaving the ``with`` block does."""

    def __init__(self, faults: Faults, fault: Fault) -> None:
        self._faults, self._fault = faults, fault

    def stop(self) -> None:
        self._faults.remove(self._fault)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def vault_settings(url: str, key: Key, backend: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return an entry for ``settings.ALTR`` that reaches a sandbox at a URL."""
    name, path = BACKENDS[backend]
    return {
        "BACKEND": f"django_altr.backends.{name}",
        "LOCATION": url + path,
        "KEY": key.key,
        "SECRET": key.secret,
        "OPTIONS": options,
    }


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
