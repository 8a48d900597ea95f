"""``clients["default"]``: a client for each entry of ``settings.ALTCRAFT``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from asgiref.local import Local
from django.core.signals import setting_changed
from django.utils.connection import BaseConnectionHandler

from .client import Client
from .conf import configured, problems_of
from .exceptions import AltcraftNotConfigured

__all__ = ["ClientHandler", "clients"]

if TYPE_CHECKING:
    Handler = BaseConnectionHandler[Client]
else:
    Handler = BaseConnectionHandler


class ClientHandler(Handler):
    """Django's connection handler: one client for each alias and thread."""

    settings_name = "ALTCRAFT"
    exception_class = AltcraftNotConfigured

    def configure_settings(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        return configured() if settings is None else settings

    def create_connection(self, alias: str) -> Client:
        if problems := problems_of(alias, self.settings[alias]):
            raise AltcraftNotConfigured(" ".join(problems))
        return Client(alias, self.settings[alias])

    def reset(self) -> None:
        """Forget settings and clients; the next access builds new ones."""
        self.__dict__.pop("settings", None)
        self._settings = None
        self._connections = Local(self.thread_critical)


clients = ClientHandler()


def _reset_on_change(*, setting: str, **kwargs: object) -> None:
    if setting == ClientHandler.settings_name:
        clients.reset()


setting_changed.connect(_reset_on_change, dispatch_uid="django_altr.contrib.altcraft")
if hasattr(os, "register_at_fork"):
    # A child must not share its parent's connections.
    os.register_at_fork(after_in_child=clients.reset)
