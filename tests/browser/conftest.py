"""A real Chromium against the live server and the sandbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission, User
from django.test import override_settings
from pytest_django.live_server_helper import LiveServer

from .people import Visitor
from .policy import at_work

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="Chromium is not installed (apt-get install chromium)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def live_server() -> Iterator[LiveServer]:
    middleware = ["tests.browser.policy.middleware", *django_settings.MIDDLEWARE]
    with override_settings(MIDDLEWARE=middleware):
        server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread; the tests themselves are not asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def vault(settings: Any, sandbox: Any) -> Any:
    """Give the sandbox, where the site's values are."""
    settings.ALTR = {"default": sandbox.settings(timeout=3, retries=0)}
    return sandbox


@pytest.fixture
def visit(chromium: Any, live_server: LiveServer, transactional_db: None, client: Any) -> Iterator[Any]:
    """Give a function that opens a browser for a user with the named permissions (all of them for ``"superuser"``)."""
    visitors = []

    def open_browser(*permissions: str, **options: Any) -> Visitor:
        user = User.objects.create_user(f"agent{len(visitors)}", password="secret", is_staff=True)
        if permissions == ("superuser",):
            user.is_superuser = True
            user.save()
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        visitor = Visitor(chromium.new_context(base_url=live_server.url, **options), user, live_server.url)
        visitors.append(visitor)
        return visitor

    yield open_browser
    for visitor in visitors:
        visitor.leave()
    with at_work:  # what the browser asked for last
        pass
