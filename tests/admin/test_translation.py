from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from django.test import Client
from django.utils import translation

import django_altr
from django_altr.backends.locmem import LocMemBackend
from tests.models import Account

PACKAGE = Path(django_altr.__file__).parent
CATALOG = PACKAGE / "locale" / "de" / "LC_MESSAGES" / "django.mo"


def marked_strings() -> Iterator[str]:
    for template in PACKAGE.rglob("*.html"):
        yield from re.findall(r"{% translate ['\"](.+?)['\"] %}", template.read_text())
    for module in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "gettext"):
                yield ast.literal_eval(node.args[0])


def test_german_is_complete() -> None:
    with CATALOG.open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    known: set[str] = set(catalog._catalog)  # type: ignore[attr-defined]
    assert set(marked_strings()) - known == set()


def test_pages_speak_german(admin: Client, vault: LocMemBackend, db: None) -> None:
    account = Account.objects.create(iban="DE1")
    with translation.override("de"):
        page = admin.get(f"/admin/tests/account/{account.pk}/change/", HTTP_ACCEPT_LANGUAGE="de").content.decode()
    assert "Aufdecken" in page
    assert "Neuen Wert eingeben" in page
