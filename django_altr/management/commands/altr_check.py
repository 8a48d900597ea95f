"""``manage.py altr_check``: prove that a vault works, or say why it does not."""

from __future__ import annotations

import secrets
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_altr.backends import BaseBackend, vaults
from django_altr.conf import InvalidVaultError
from django_altr.exceptions import AltrError, Forbidden, TokenNotFound

#: A clock that is this far off still works; it will not for long.
SKEW_WARNING = 60.0


class Command(BaseCommand):
    help = (
        "Check the vaults of the setting ALTR: write a random value, read it back, compare, delete it where the vault "
        "can; report rights, latency, clock and circuit breaker. Exits with 1 and the reason if a vault does not work. "
        "A vault that cannot delete keeps the test value: 32 random characters."
    )
    requires_system_checks = ["security"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--vault", metavar="ALIAS", help="Check this vault only (default: all).")

    def handle(self, *args: Any, vault: str | None = None, **options: Any) -> None:
        failed = [alias for alias in self._aliases(vault) if not self._check(alias)]
        if failed:
            raise CommandError(f"Not working: {', '.join(failed)}.")

    def _aliases(self, vault: str | None) -> list[str]:
        try:
            return [vault] if vault else list(vaults)
        except InvalidVaultError as error:
            reason = str(error)
        raise CommandError(reason)

    def _check(self, alias: str) -> bool:
        try:
            backend = vaults[alias]
            self.stdout.write(f"{alias}: {type(backend).__name__}")
            for line in examine(backend):
                self.stdout.write(f"  {line}")
        except (AltrError, InvalidVaultError) as error:
            reason = str(error)
        else:
            self.stdout.write(self.style.SUCCESS("  works"))
            return True
        self.stderr.write(self.style.ERROR(f"{alias}: {reason}"))
        return False


def examine(backend: BaseBackend) -> Iterator[str]:
    """Yield a line for each thing that works; raise an ``AltrError`` for the first that does not."""
    value = secrets.token_hex(16)
    [token], took = timed(lambda: backend.tokenize_many([value], metadata="altr_check"))
    yield f"write: ok, {took:.0f} ms"
    found, took = timed(lambda: backend.find_many([token]))
    if found != {token: value}:
        raise AltrError(f"The vault {backend.alias!r} gave back another value than was written.")
    yield f"read: ok, {took:.0f} ms, the value is the one that was written"
    yield f"metadata: {describe_metadata(backend, token)}"
    yield f"deterministic tokens: {describe_determinism(backend, value)}"
    yield f"delete: {describe_deletion(backend, token)}"
    yield from describe_connection(backend)


def describe_metadata(backend: BaseBackend, token: str) -> str:
    if not backend.supports_metadata:
        return "this vault keeps none"
    if backend.metadata(token) != "altr_check":
        raise AltrError(f"The vault {backend.alias!r} gave back other metadata than was written.")
    return "ok"


def describe_determinism(backend: BaseBackend, value: str) -> str:
    if not backend.supports_deterministic:
        return "this vault makes none"
    try:
        first, second = backend.tokenize_many([value, value], deterministic=True)
    except Forbidden:
        return "the key lacks the right (needed for fields with deterministic=True only)"
    if first != second:
        raise AltrError(f"The vault {backend.alias!r} made two deterministic tokens for one value.")
    if backend.supports_delete:
        backend.delete_many([first])
    return "ok"


def describe_deletion(backend: BaseBackend, token: str) -> str:
    if not backend.supports_delete:
        return "this vault cannot; it keeps the random test value"
    try:
        backend.delete_many([token])
    except Forbidden:
        return "the key lacks the right (needed for deletion and erasure only)"
    try:
        backend.detokenize_many([token])
    except TokenNotFound:
        return "ok"
    raise AltrError(f"The vault {backend.alias!r} still knows a token that it said it deleted.")


def describe_connection(backend: BaseBackend) -> Iterator[str]:
    breaker, skew = getattr(backend, "breaker", None), getattr(backend, "clock_skew", None)
    if skew is not None:
        direction = "ahead of" if skew > 0 else "behind"
        note = " - set the clock by NTP: at 15 minutes the vault refuses everything" if abs(skew) > SKEW_WARNING else ""
        yield f"clock: {abs(skew):.0f} seconds {direction} the vault's{note}"
    if breaker is not None:
        yield f"circuit breaker: {breaker.state}"


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the call returns, and the milliseconds that it took."""
    started = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - started) * 1000
