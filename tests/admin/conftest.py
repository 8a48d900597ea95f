"""Fixtures of the admin's tests: the vault in memory, and users with chosen permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_altr import vaults
from django_altr.backends.locmem import LocMemBackend


@pytest.fixture(autouse=True)
def _urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.admin.urls"


@pytest.fixture
def vault() -> Iterator[LocMemBackend]:
    backend = vaults["default"]
    assert isinstance(backend, LocMemBackend)
    backend.clear()
    yield backend
    backend.clear()


@pytest.fixture
def log_in(db: None, client: Client) -> Callable[..., Client]:
    """Give a function that logs in with the named permissions (all of them for ``"superuser"``)."""

    def log_in(*permissions: str) -> Client:
        user = User.objects.create_user("agent", is_staff=True, is_superuser=permissions == ("superuser",))
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions, content_type__app_label="tests"))
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def admin(log_in: Callable[..., Client]) -> Client:
    return log_in("superuser")
