"""A canary goes the whole way, and is then looked for wherever something is kept, logged or reported."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.core import serializers
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.views.debug import ExceptionReporter

from django_altr.contrib.altcraft import clients
from django_altr.contrib.altcraft.mapping import registry
from django_altr.contrib.altcraft.models import Batch, Delivery
from django_altr.contrib.altcraft.profiles import build_profiles
from django_altr.contrib.altcraft.sync import Synchronizer
from django_altr.redact import Redacted
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import DEFAULT_TOKEN, Altcraft
from tests.altcraft import SubscriberProfile
from tests.models import Subscriber

from .conftest import DELETE, DETOKENIZE, IMPORT_BATCH, Result

CANARY = "Kanarek-ż5z7"
EMAIL = "kanarek-5z7@example.com"
Sync = Callable[..., Result]
pytestmark = pytest.mark.django_db


def forms(secret: str) -> set[str]:
    """Return a secret in its usual encodings."""
    data = secret.encode()
    return {secret, quote(secret), json.dumps(secret)[1:-1], ascii(secret)[1:-1], repr(data)[2:-1], data.hex()} | {
        base64.b64encode(b"x" * pad + data).decode()[4:-4] for pad in range(3)
    }


SECRETS = {*forms(CANARY), *forms(EMAIL), *forms(DEFAULT_TOKEN)}


def assert_clean(text: str, where: str) -> None:
    found = [secret for secret in SECRETS if secret in text]
    assert not found, f"{where}: {found}"


def add() -> Subscriber:
    return Subscriber.objects.create(email=EMAIL, name=f"{CANARY} Smith")


def database() -> str:
    """Return all that the database holds."""
    with connection.cursor() as cursor:
        rows = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += cursor.fetchall()
    return repr(rows)


FAULTS: list[dict[str, Any]] = [
    {"route": IMPORT_BATCH, "drop": "before"},
    {"route": IMPORT_BATCH, "drop": "lost"},
    {"route": IMPORT_BATCH, "status": 500, "body": f'{{"error": 500, "error_text": "{EMAIL}"}}'},
    {"route": IMPORT_BATCH, "body": f'{{"error": 401, "error_text": "{EMAIL} {DEFAULT_TOKEN}"}}'},
    {"route": IMPORT_BATCH, "body": f'{{"error": 450, "error_text": "{EMAIL}"}}'},
    {"route": IMPORT_BATCH, "body": f'{{"error": 0, "result": [{{"error": 450, "error_text": "{EMAIL}"}}]}}'},
    {"route": IMPORT_BATCH, "body": f'{{"error": 0, "result": "{EMAIL}"}}'},
    {"route": IMPORT_BATCH, "body": EMAIL},
    {"route": DETOKENIZE, "status": 403, "body": f'{{"error_message": "{EMAIL}"}}'},
    {"route": DETOKENIZE, "corrupt": "half"},
]


@pytest.mark.parametrize("fault", [{}, *FAULTS], ids=str)
def test_nothing_in_clear_is_stored_logged_or_printed(
    sync: Sync, sandbox: Sandbox, platform: Altcraft, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("django.db.backends", "urllib3", "requests", "django_altr"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    add()
    with CaptureQueriesContext(connection) as queries:
        with sandbox.misbehave(**fault) if fault else sandbox.misbehave(route="nothing", latency=0):
            _, out, err = sync()
        printed = out + err
        printed += "".join(sync("--dry-run")[1:])
        printed += "".join(sync()[1:])
        Subscriber.objects.all().delete()
        with sandbox.misbehave(route=DELETE, times=9, body=f'{{"error": 403, "error_text": "{EMAIL}"}}'):
            printed += "".join(sync()[1:])
        stored = database()
        printed += "".join(sync()[1:])
    assert platform.profiles() == []
    assert_clean(printed, "output of the command")
    assert_clean(caplog.text, "log")
    assert_clean(repr(queries.captured_queries), "SQL")
    assert_clean(stored + database(), "database")
    assert_clean(serializers.serialize("json", [*Delivery.objects.all(), *Batch.objects.all()]), "dumpdata")
    assert_clean(repr(sandbox.requests), "paths of requests")


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if "450" not in str(fault)], ids=str)
def test_an_error_report_shows_nothing_in_clear(sandbox: Sandbox, platform: Altcraft, fault: dict[str, Any]) -> None:
    add()
    synchronizer = Synchronizer(registry[Subscriber])
    with sandbox.misbehave(**fault):
        reporter = None
        try:
            synchronizer.run(Redacted(registry[Subscriber].get_queryset()))
        except Exception as error:
            reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
    assert reporter is not None
    html = own_frames(reporter)
    assert "build_profiles" in html or "_settle" in html
    assert_clean(html, "error report")


def test_an_error_of_a_changed_profile_shows_nothing_in_clear(sync: Sync, sandbox: Sandbox, platform: Altcraft) -> None:
    row = add()
    sync()
    row.email = f"2{EMAIL}"
    row.save()
    with sandbox.misbehave(route=IMPORT_BATCH, status=500):
        try:
            Synchronizer(registry[Subscriber]).run(Redacted(registry[Subscriber].get_queryset()))
            reporter = None
        except Exception as error:
            reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
    assert reporter is not None
    assert_clean(own_frames(reporter), "error report")


def test_an_error_of_a_callable_shows_nothing_in_clear(
    platform: Altcraft, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_altr.exceptions import AltrError

    def fails(row: Subscriber) -> str:
        name = row.name
        sandbox.misbehave(route=DETOKENIZE, status=403)
        Subscriber.objects.get(pk=row.pk).email  # noqa: B018
        return str(name)

    monkeypatch.setattr(SubscriberProfile, "fields", {"email": "email", "_fname": fails})
    add()
    reporter = None
    try:
        build_profiles(registry[Subscriber], Redacted(list(Subscriber.objects.all())))
    except AltrError as error:
        reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
    assert reporter is not None
    assert_clean(own_frames(reporter), "error report")


def test_fingerprints_differ_for_equal_profiles_and_for_another_secret_key(
    sync: Sync, platform: Altcraft, settings: Any
) -> None:
    add()
    add()
    sync()
    first, second = Delivery.objects.all()
    assert first.profile_id == second.profile_id
    assert len({first.fingerprint, second.fingerprint, first.matching_fingerprint, second.matching_fingerprint}) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", each.fingerprint) for each in (first, second))
    settings.SECRET_KEY = "another"
    assert "2 sent" in sync()[1]
    assert Delivery.objects.first().fingerprint != first.fingerprint  # type: ignore[union-attr]
    clients.reset()


def own_frames(reporter: ExceptionReporter) -> str:
    """Return the report's values and local variables; the source lines of this module hold the canary themselves."""
    data = reporter.get_traceback_data()
    frames = [frame for frame in data.get("frames", []) if "/tests/" not in frame["filename"]]
    return repr([(frame["function"], frame["vars"]) for frame in frames]) + str(data.get("exception_value"))
