"""The vaults of ``settings.ALTR``: one backend object per process and alias, shared by all threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.signals import setting_changed
from django.utils.connection import BaseConnectionHandler
from django.utils.module_loading import import_string

from django_altr.conf import DEFAULT_ALIAS, InvalidVaultError, configured_vaults
from django_altr.http import reset_after_fork
from django_altr.redact import Redacted

from .base import BaseBackend, TokenStatus, no_detokenization

__all__ = [
    "DEFAULT_ALIAS",
    "BaseBackend",
    "InvalidVaultError",
    "TokenStatus",
    "VaultHandler",
    "import_backend",
    "no_detokenization",
    "vaults",
]

if TYPE_CHECKING:
    _Handler = BaseConnectionHandler[BaseBackend]
else:
    _Handler = BaseConnectionHandler


class VaultHandler(_Handler):
    """``vaults["default"]``: Django's connection handler, but a process has one backend per alias, not a thread.

    A backend owns a connection pool, so threads share it.
    """

    settings_name = "ALTR"
    exception_class = InvalidVaultError

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._backends: dict[str, BaseBackend] = {}
        self._lock = threading.Lock()
        reset_after_fork(self)

    def configure_settings(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        return configured_vaults() if settings is None else settings

    def create_connection(self, alias: str) -> BaseBackend:
        return import_backend(alias, Redacted(self.settings[alias]))(alias, self.settings[alias])

    def __getitem__(self, alias: str) -> BaseBackend:
        # Without the lock first: this is read for every batch.
        if (backend := self._backends.get(alias)) is not None:
            return backend
        if alias not in self.settings:
            raise InvalidVaultError(
                f"There is no vault {alias!r} in the setting ALTR; it has {', '.join(map(repr, self.settings))}."
            )
        with self._lock:
            if alias not in self._backends:
                self._backends[alias] = self.create_connection(alias)
            return self._backends[alias]

    def __setitem__(self, alias: str, backend: BaseBackend) -> None:
        self._backends[alias] = backend

    def __delitem__(self, alias: str) -> None:
        del self._backends[alias]

    def all(self, initialized_only: bool = False) -> list[BaseBackend]:
        if initialized_only:
            return list(self._backends.values())
        return [self[alias] for alias in self]

    def reset(self) -> None:
        """Forget the settings and close every backend; the next access builds new ones."""
        with self._lock:
            old, self._backends = self._backends, {}
            self._settings = None
            self.__dict__.pop("settings", None)
        for backend in old.values():
            backend.close()

    def after_fork(self) -> None:
        """Take a new lock in a forked child: the old one may be held by a thread of the parent."""
        self._lock = threading.Lock()


def import_backend(alias: str, params: Redacted[Any]) -> type[BaseBackend]:
    """Return the class that BACKEND of an entry names, or raise ``InvalidVaultError``."""
    entry = params.reveal()
    path = entry.get("BACKEND") if isinstance(entry, Mapping) else None
    del entry
    if not isinstance(path, str):
        raise InvalidVaultError(
            f"ALTR[{alias!r}] must be a dictionary with BACKEND, for example 'django_altr.backends.chain.ChainBackend'."
        )
    try:
        backend = import_string(path)
    except ImportError as error:
        raise InvalidVaultError(f"ALTR[{alias!r}]['BACKEND'] cannot be imported: {error}") from None
    if not (isinstance(backend, type) and issubclass(backend, BaseBackend)):
        raise InvalidVaultError(f"ALTR[{alias!r}]['BACKEND'] is no vault backend: {path!r}.")
    return backend


vaults = VaultHandler()


def _reset_on_change(*, setting: str, **kwargs: object) -> None:
    if setting == VaultHandler.settings_name:
        vaults.reset()


setting_changed.connect(_reset_on_change, dispatch_uid="django_altr.backends")
