"""The session: TLS, proxies, redirects, credentials, connections."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from urllib3.connection import HTTPConnection

from django_altr.backends.base import BaseBackend
from django_altr.backends.chain import ChainBackend
from django_altr.exceptions import InvalidResponse, Unauthorized, VaultConnectionError, VaultTimeout
from django_altr.http.forks import _after_fork
from django_altr.sandbox import Sandbox
from tests.backends.conftest import MakeBackend


@pytest.fixture
def backend(make_backend: MakeBackend) -> BaseBackend:
    return make_backend("chain")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def secure(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    with Sandbox(tls=(folder / "cert.pem", folder / "key.pem")) as sandbox:
        yield sandbox


def secure_backend(secure: Sandbox, host: str = "localhost", **options: object) -> ChainBackend:
    location = f"https://{host}:{secure.port}"
    return ChainBackend("vault", {**secure.settings(**{"retries": 0, **options}), "LOCATION": location})


def test_a_certificate_of_an_unknown_authority_is_refused(secure: Sandbox) -> None:
    backend = secure_backend(secure, retries=3)
    secure.reset()
    with pytest.raises(VaultConnectionError, match="certificate is not trusted .*ca_bundle"):
        backend.tokenize_many(["a"])
    assert secure.requests == []


def test_a_certificate_for_another_host_is_refused(secure: Sandbox, bundle: str) -> None:
    with pytest.raises(VaultConnectionError, match="certificate is not trusted .*127.0.0.1"):
        secure_backend(secure, "127.0.0.1", ca_bundle=bundle).tokenize_many(["a"])


def test_the_authority_can_be_named_in_an_option(secure: Sandbox, bundle: str) -> None:
    backend = secure_backend(secure, ca_bundle=bundle)
    assert list(backend.find_many(backend.tokenize_many(["a"])).values()) == ["a"]
    backend.close()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_authority_can_be_named_in_the_environment(
    secure: Sandbox, bundle: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, bundle)
    backend = secure_backend(secure)
    assert backend.tokenize_many(["a"])
    backend.close()


def test_a_bundle_that_does_not_exist_says_so(secure: Sandbox) -> None:
    with pytest.raises(VaultConnectionError, match="ca_bundle"):
        secure_backend(secure, ca_bundle="/nowhere/ca.pem").tokenize_many(["a"])


def test_the_bundle_is_read_once_for_all_connections(
    secure: Sandbox, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    load = ssl.SSLContext.load_verify_locations
    monkeypatch.setattr(
        ssl.SSLContext,
        "load_verify_locations",
        lambda self, *args, **kwargs: loaded.append(args) or load(self, *args, **kwargs),
    )
    secure.reset()
    backend = secure_backend(secure, ca_bundle=bundle, retries=2)
    for _ in range(3):
        secure.misbehave(drop="after", times=1)
        backend.tokenize_many(["a"])
    assert secure.connections >= 3
    assert len(loaded) == 1
    backend.close()


def test_a_server_that_speaks_no_tls_says_so(sandbox: Sandbox) -> None:
    backend = ChainBackend("vault", {**sandbox.settings(retries=0), "LOCATION": f"https://127.0.0.1:{sandbox.port}"})
    with pytest.raises(VaultConnectionError, match="TLS failed"):
        backend.tokenize_many(["a"])


def test_tls_handshakes_end_in_time(bundle: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        params = {
            "LOCATION": f"https://localhost:{mute.getsockname()[1]}",
            "KEY": "key",
            "SECRET": "secret",
            "OPTIONS": {"timeout": 1, "connect_timeout": 0.3, "retries": 0, "ca_bundle": bundle},
        }
        started = time.monotonic()
        with pytest.raises(VaultTimeout):
            ChainBackend("vault", params).tokenize_many(["a"])
        assert time.monotonic() - started < 1


def test_large_values_travel_over_tls(secure: Sandbox, bundle: str) -> None:
    backend = secure_backend(secure, ca_bundle=bundle)
    [token] = backend.tokenize_many(["é" * 1_000_000])
    assert backend.find_many([token]) == {token: "é" * 1_000_000}
    backend.close()


def test_a_redirect_is_never_followed(backend: BaseBackend, sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        for status in (301, 302, 303, 307, 308):
            location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
            fault = {"status": status, "headers": {"Location": location}}
            with sandbox.misbehave(**fault), pytest.raises(InvalidResponse, match="redirect"):
                backend.tokenize_many(["a"])
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_netrc_does_not_replace_the_signature(
    backend: BaseBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert backend.tokenize_many(["a"])


def test_plain_http_to_this_machine_goes_through_no_proxy(
    backend: BaseBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert backend.tokenize_many(["a"])


def test_https_goes_through_the_proxy_of_the_environment(
    secure: Sandbox, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy() as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        backend = secure_backend(secure, ca_bundle=bundle)
        assert list(backend.find_many(backend.tokenize_many(["a"])).values()) == ["a"]
        backend.close()
    assert proxy.requested == [f"CONNECT localhost:{secure.port}"]


def test_a_proxy_that_fails_says_so(secure: Sandbox, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(VaultConnectionError, match="proxy"):
        secure_backend(secure, ca_bundle=bundle).tokenize_many(["a"])


def test_no_proxy_is_honoured(secure: Sandbox, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    backend = secure_backend(secure, ca_bundle=bundle)
    assert backend.tokenize_many(["a"])
    backend.close()


def test_cookies_are_not_kept(backend: BaseBackend, sandbox: Sandbox) -> None:
    with sandbox.misbehave(status=401, headers={"Set-Cookie": "a=b"}), pytest.raises(Unauthorized):
        backend.tokenize_many(["a"])
    assert len(backend._client._session.cookies) == 0  # type: ignore[attr-defined]


def test_requests_one_after_the_other_share_a_connection(backend: BaseBackend, sandbox: Sandbox) -> None:
    for _ in range(10):
        backend.find_many(backend.tokenize_many(["a"]))
    assert sandbox.connections == 1


def test_threads_share_the_connections(backend: BaseBackend, sandbox: Sandbox) -> None:
    def work(number: int) -> bool:
        [token] = backend.tokenize_many([str(number)])
        return backend.find_many([token]) == {token: str(number)}

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(200)))
    assert sandbox.connections <= 8


def test_values_in_parallel_use_as_many_connections_as_workers(make_backend: MakeBackend, sandbox: Sandbox) -> None:
    backend = make_backend("chain", max_workers=4)
    for _ in range(3):
        backend.tokenize_many(["a"] * 50, metadata="x")
    assert sandbox.connections <= 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_connections_are_made_side_by_side(make_backend: MakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4, timeout=5)
    connect = HTTPConnection._new_conn

    def slowly(self: HTTPConnection) -> socket.socket:
        together.wait()
        return connect(self)

    monkeypatch.setattr(HTTPConnection, "_new_conn", slowly)
    assert len(make_backend("chain", max_workers=4).tokenize_many("abcd", metadata="label")) == 4


def test_a_forked_child_has_connections_of_its_own(backend: BaseBackend, sandbox: Sandbox) -> None:
    tokens = backend.tokenize_many(["a"] * 10, metadata="x")
    before = sandbox.connections
    child = os.fork()
    if child == 0:  # pragma: no cover
        signal.alarm(20)
        try:
            ok = list(backend.find_many(tokens).values()) == ["a"] * 10
            ok = ok and len(backend.tokenize_many(["b"] * 10, metadata="x")) == 10
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sandbox.connections > before
    assert list(backend.find_many(tokens).values()) == ["a"] * 10


def test_after_fork_everything_is_fresh(backend: BaseBackend, sandbox: Sandbox) -> None:
    backend.tokenize_many(["a"] * 3, metadata="x")
    before = sandbox.connections
    client = backend._client  # type: ignore[attr-defined]
    parents = client._session, client._lock, backend._workers._executor  # type: ignore[attr-defined]
    _after_fork()
    backend.tokenize_many(["a"] * 3, metadata="x")
    assert sandbox.connections > before
    assert client._lock is not parents[1]
    parents[0].close()
    parents[2].shutdown()


def test_works_without_threads_when_none_can_be_started(backend: BaseBackend) -> None:
    backend.tokenize_many(["a"] * 3, metadata="x")
    executor = backend._workers._executor  # type: ignore[attr-defined]
    executor.shutdown()
    assert len(backend.tokenize_many(["a"] * 3, metadata="x")) == 3
    with pytest.raises(NotUsable):
        backend._workers.run([refuse, refuse], print)  # type: ignore[attr-defined]


class NotUsable(Exception):
    pass


def refuse() -> None:
    raise NotUsable


def test_closing_lets_the_connections_go_and_the_backend_be_used_again(backend: BaseBackend, sandbox: Sandbox) -> None:
    backend.tokenize_many(["a"] * 3, metadata="x")
    backend.close()
    assert backend.tokenize_many(["a"] * 3, metadata="x")
    backend.close()
    deadline = time.monotonic() + 2
    while any(thread.name.startswith("altr-vault") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


class ConnectProxy:
    """A proxy that knows CONNECT and one tunnel."""

    def __enter__(self) -> ConnectProxy:
        self.requested: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.requested.append(head.decode().partition(" HTTP")[0])
        host, _, port = self.requested[-1].removeprefix("CONNECT ").rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(server, client)


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
        target.close()
