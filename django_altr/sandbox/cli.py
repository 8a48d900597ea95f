"""The command line of the sandbox, for ``manage.py altr_sandbox`` and ``python -m django_altr.sandbox`` alike."""

from __future__ import annotations

import argparse
import signal
import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .auth import ALL_RIGHTS, DEFAULT_KEY, DEFAULT_SECRET, READ, WRITE, Key
from .service import RemoteHost, Sandbox

__all__ = ["UsageError", "add_arguments", "run"]


class UsageError(Exception):
    """The sandbox cannot start as asked; the message says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sandbox's options."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="Address to listen on (default: %(default)s).")
    add("--port", type=int, default=8200, help="Port to listen on, 0 for a free one (default: %(default)s).")
    add("--data", metavar="FILE", help="SQLite file that keeps the values (default: in memory, gone at the end).")
    add("--key", default=DEFAULT_KEY, help="API key that may do everything (default: %(default)s).")
    add("--secret", default=DEFAULT_SECRET, help="Its secret (default: %(default)s).")
    for right in (READ, WRITE):
        help_text = f"One more key that may only {right}. May be repeated."
        add(f"--{right}-only-key", action="append", default=[], metavar="KEY:SECRET", help=help_text)
    add("--threads", type=int, default=32, help="Requests served at once (default: %(default)s).")
    add("--data-cap", type=int, metavar="BYTES", help="Refuse writes beyond so much data (default: no limit).")
    add("--rate-limit", type=int, metavar="N", help="Requests a second of each v2 service (default: no limit).")
    add("--tls-cert", metavar="FILE", help="Serve https with this certificate (PEM).")
    add("--tls-key", metavar="FILE", help="The certificate's private key (PEM).")
    add("--allow-remote", action="store_true", help="Permit a --host that other machines can reach.")
    add("--control", action="store_true", help="Open /_sandbox/, where tests look in and order faults.")


def run(options: dict[str, Any], write: Callable[[str], object]) -> None:
    """Serve until Ctrl-C or SIGTERM. ``write`` prints a line."""
    sandbox = build(options)
    try:
        with stop_signals() as wait_for_stop:
            start(sandbox)
            for line in introduction(sandbox, options):
                write(line)
            wait_for_stop()
            write("Stopped.")
    finally:
        sandbox.close()


def build(options: dict[str, Any]) -> Sandbox:
    if not 0 <= options["port"] <= 65535:
        raise UsageError("--port is a number from 0 to 65535.")
    for name in ("threads", "data_cap", "rate_limit"):
        if options[name] is not None and options[name] < 1:
            raise UsageError(f"--{name.replace('_', '-')} is a number above 0.")
    try:
        return Sandbox(
            keys=keys(options),
            tls=tls_files(options),
            **{name: options[name] for name in PASSED_ON},
        )
    except RemoteHost as error:
        raise UsageError(f"{error} Say --allow-remote if that is what you want.") from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    except sqlite3.Error as error:
        raise UsageError(f"--data {options['data']}: {error}.") from None


def tls_files(options: dict[str, Any]) -> tuple[str, str] | None:
    certificate, private_key = options["tls_cert"], options["tls_key"]
    if not certificate and not private_key:
        return None
    if not certificate or not private_key:
        raise UsageError("--tls-cert and --tls-key go together.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, private_key)
    except OSError as error:
        raise UsageError(f"Cannot use --tls-cert and --tls-key: {error}.") from None
    return certificate, private_key


PASSED_ON = ("host", "port", "data", "threads", "data_cap", "rate_limit", "control", "allow_remote")


def keys(options: dict[str, Any]) -> list[Key]:
    return [
        Key(options["key"], options["secret"], ALL_RIGHTS),
        *(parse_key("--read-only-key", text, READ) for text in options["read_only_key"]),
        *(parse_key("--write-only-key", text, WRITE) for text in options["write_only_key"]),
    ]


def parse_key(option: str, text: str, right: str) -> Key:
    key, _, secret = text.partition(":")
    if not key or not secret:
        raise UsageError(f"{option} takes KEY:SECRET.")
    return Key(key, secret, frozenset({right}))


def start(sandbox: Sandbox) -> None:
    try:
        sandbox.start()
    except ImportError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        reason = f"Cannot listen on {sandbox.host} port {sandbox.port}: {error}. Another --port may be free."
        raise UsageError(reason) from None


def introduction(sandbox: Sandbox, options: dict[str, Any]) -> Iterator[str]:
    yield "ALTR sandbox: a stand-in for ALTR's vault. For development and tests only, never for real personal data."
    yield f"Listening on {sandbox.url} (Ctrl-C stops it)"
    yield f"Values are kept in {options['data']}" if options["data"] else "Values are kept in memory until it stops"
    known = (sandbox.key, sandbox.secret) == (DEFAULT_KEY, DEFAULT_SECRET)
    # A secret of the user's own is not repeated: output ends up in logs.
    yield f"ALTR_URL={sandbox.altr_url if known else sandbox.altr_url_without_secret}"


#: Signals that end the sandbox.
STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[Callable[[], None]]:
    """Give a function that waits for Ctrl-C or SIGTERM; in any other thread than the main one, forever.

    Waiting for an event would miss a signal that arrives just before, or in another thread: Python runs handlers in the
    main thread, which would sleep. A byte in a socket wakes it, whenever it was sent.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def wait() -> None:
        while receiver.recv(1)[0] not in STOPPING:
            pass

    with receiver, sender:
        if threading.current_thread() is not threading.main_thread():
            yield wait
            return
        descriptor = signal.set_wakeup_fd(sender.fileno())
        previous = {number: signal.signal(number, lambda *_: None) for number in STOPPING}
        try:
            yield wait
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(descriptor)
