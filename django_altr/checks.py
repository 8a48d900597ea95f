"""System checks of the setting ``ALTR``; ``docs/checks.md`` has a section for each id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from .backends import BaseBackend, import_backend
from .backends.locmem import LocMemBackend
from .conf import KEYS, InvalidVaultError, configured_vaults
from .fields.writes import tokenized_fields
from .lifecycle.journal import journal_of
from .redact import Redacted

__all__ = ["check_deployment", "check_vaults"]

#: The secret that the sandbox has unless told otherwise (``django_altr.sandbox``, which is an extra).
SANDBOX_SECRET = "sandbox-secret"  # noqa: S105


@register(Tags.security)
def check_vaults(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check every entry of ``settings.ALTR``; nothing is sent."""
    try:
        entries = configured_vaults()
    except InvalidVaultError as error:
        return [Error(str(error), id="altr.E001")]
    return [message for alias in entries for message in _check_vault(alias, Redacted(entries[alias]))]


def _check_vault(alias: str, params: Redacted[Any]) -> Iterator[CheckMessage]:
    try:
        backend = import_backend(alias, params)
    except InvalidVaultError as error:
        yield Error(str(error), id="altr.E002")
        return
    where = f"ALTR[{alias!r}]"
    for problem in backend.config_problems(params):
        yield Error(f"{where}: {problem.text}", hint=problem.hint, id=problem.id)
    for name in sorted(set(map(str, params.reveal())) - KEYS):
        yield Warning(
            f"{where}: the key {name!r} is unknown.", hint=f"Known are {', '.join(sorted(KEYS))}.", id="altr.W002"
        )
    journal = journal_of(alias)
    if journal is not None and not journal.is_writable:
        yield Warning(
            f"{where}: the journal's directory cannot be written: {str(journal.directory)!r}.",
            hint="Create it, or its parent directory, with write permission for the user that this process runs as.",
            id="altr.W004",
        )
    if params.reveal().get("SECRET") == SANDBOX_SECRET and not settings.DEBUG:
        yield Warning(
            f"{where} has the sandbox's default secret, and DEBUG is off.",
            hint="Everybody knows this secret: use a key of a real vault.",
            id="altr.W001",
        )


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check what must not go into production."""
    return [*_vaults_in_memory(), *_deletions_without_journal()]


def _vaults_in_memory() -> list[CheckMessage]:
    return [
        Warning(
            f"ALTR[{alias!r}] keeps its values in the memory of each process: they end with it.",
            hint="LocMemBackend is for tests. Use a real vault.",
            id="altr.W003",
        )
        for alias, backend in _usable_backends()
        if issubclass(backend, LocMemBackend)
    ]


def _deletions_without_journal() -> list[CheckMessage]:
    deleting = {
        field.vault: field
        for model in apps.get_models()
        for field in tokenized_fields(model)
        if field.on_delete == "delete"
    }
    return [
        Warning(
            f"ALTR[{alias!r}] keeps no journal, and {deleting[alias]} deletes values from it: a deletion that "
            f"fails is only logged.",
            hint="Give OPTIONS a 'journal', a directory: altr_orphans finishes such deletions.",
            id="altr.W005",
        )
        for alias, backend in _usable_backends()
        if alias in deleting and journal_of(alias) is None and not issubclass(backend, LocMemBackend)
    ]


def _usable_backends() -> Iterator[tuple[str, type[BaseBackend]]]:
    try:
        entries = configured_vaults()
    except InvalidVaultError:
        return
    for alias in entries:
        try:
            yield alias, import_backend(alias, Redacted(entries[alias]))
        except InvalidVaultError:
            continue
