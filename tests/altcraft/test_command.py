"""What the command shows, and how large its requests get."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from django_altr.contrib.altcraft import sync as sync_module
from django_altr.contrib.altcraft.management.commands.altcraft_sync import parse_since, progress
from django_altr.contrib.altcraft.mapping import registry
from django_altr.contrib.altcraft.sync import Synchronizer
from django_altr.redact import Redacted
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import Altcraft
from tests.altcraft import SubscriberProfile
from tests.models import Subscriber

from .conftest import IMPORT_BATCH, Result, subscribers

Sync = Callable[..., Result]
pytestmark = pytest.mark.django_db


def test_a_terminal_sees_a_bar(sync: Sync, capsys: pytest.CaptureFixture[str]) -> None:
    subscribers(3)
    with progress(Redacted(Subscriber.objects.all()), shown=True) as advance:
        advance(3)
    assert "3/3" in capsys.readouterr().err


def test_the_bar_names_the_extra_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management.base import CommandError

    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    with pytest.raises(CommandError, match=r"django-altr\[altcraft\]"), progress(Redacted(None), shown=True):  # type: ignore[arg-type]
        pass


def test_interrupting_it_says_how_to_go_on(sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    subscribers(2)
    with monkeypatch.context() as patch:
        patch.setattr(sync_module.ledger, "record_import", interrupt)  # the platform has them, nobody wrote it down
        code, _, err = sync()
    assert code == 130
    assert "Run the command again" in err
    assert sync()[0] == 0
    assert len(platform.requests()) == 1


def test_a_request_is_kept_under_the_platforms_size(
    sync: Sync, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "MAX_BATCH_BYTES", 200)
    subscribers(5)
    assert sync()[0] == 0
    assert sandbox.count(IMPORT_BATCH) == 3


def test_since_can_be_a_date_field(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.models import DateField

    monkeypatch.setattr(Subscriber._meta, "get_field", lambda name: DateField())
    assert parse_since(registry[Subscriber], "2026-01-31T12:00:00") == {"updated__gte": date(2026, 1, 31)}
    assert parse_since(registry[Subscriber], "updated=2026-01-31") == {"updated__gte": date(2026, 1, 31)}


def test_since_needs_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubscriberProfile, "modified", None)
    with pytest.raises(ValueError, match="name the field"):
        parse_since(registry[Subscriber], "2026-01-31")


def test_a_run_takes_the_platforms_advice_for_the_size_of_a_request() -> None:
    assert Synchronizer(registry[Subscriber], batch_size=99_999).batch_size == 10_000


def test_a_row_whose_token_for_the_consent_is_unknown_is_not_sent(
    sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SubscriberProfile, "consent", "phone")
    (row,) = subscribers(1, phone="+48 123 456 789")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE tests_subscriber SET phone = %s", [f"chain_{'0' * 64}"])
    code, _, err = sync()
    assert code == 3
    assert f"{row.pk}: The vault does not know a reference token" in err
    assert platform.profiles() == []


def test_a_value_that_is_no_json_is_told(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubscriberProfile, "fields", {"email": "email", "x": lambda row: object()})
    subscribers(1)
    code, _, err = sync()
    assert code == 3
    assert "cannot be written as JSON" in err


def test_marks_of_deletion_go_away_where_the_row_is_wanted_again(sync: Sync, platform: Altcraft) -> None:
    from django_altr.contrib.altcraft.models import Delivery

    subscribers(1)
    sync()
    Delivery.objects.update(unwanted=True)
    Synchronizer(registry[Subscriber]).deliver(Redacted(Subscriber.objects.all()))
    assert not Delivery.objects.get().unwanted
