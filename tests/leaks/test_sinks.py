"""A plaintext and an API secret are used in every way, then searched for wherever something could have kept them."""

from __future__ import annotations

import copy
import gc
import io
import logging
import os
import pickle
import re
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.backends.base import SessionBase
from django.core import mail, serializers
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.db.migrations import CreateModel, Migration
from django.db.migrations.state import ModelState
from django.db.migrations.writer import MigrationWriter
from django.db.models import Q
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from django_altr import vaults
from django_altr.exceptions import AltrError, ServiceUnavailable
from django_altr.sandbox import Sandbox
from tests.admin.reading import form_data
from tests.models import Account, Chart, Person

from .actions import PersonForm, fail_reading, fail_writing, fill, read_all
from .canary import Canary
from .conftest import LeakFree
from .frames import leaks_in
from .table import SINKS

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(bird_vault: Sandbox) -> Person:
    person = fill()
    read_all()
    return person


@pytest.fixture
def debug(settings: Any) -> Iterator[None]:
    settings.DEBUG = True
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    yield
    connection.force_debug_cursor = False


def every_cell() -> Iterator[str]:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            yield repr(cursor.fetchall())


def errors_of(sandbox: Sandbox) -> Iterator[tuple[Any, BaseException]]:
    with sandbox.misbehave(status=503):
        yield from (_caught(fail_reading),)
    with sandbox.misbehave(status=503, route="POST"):
        yield from (_caught(fail_writing),)
    with sandbox.misbehave(corrupt="half", route="PUT"):
        yield from (_caught(fail_reading),)
    with sandbox.misbehave(drop="middle"):
        yield from (_caught(fail_reading),)
    with sandbox.misbehave(drop="lost", route="POST"):
        yield from (_caught(fail_writing),)


def _caught(view: Callable[..., Any]) -> tuple[Any, BaseException]:
    request = RequestFactory().get("/view/")
    try:
        view(request)
    except AltrError as error:
        return request, error
    raise AssertionError("The view did not fail.")


def test_database(person: Person, leak_free: LeakFree) -> None:
    leak_free("Database", *every_cell())
    if connection.vendor == "sqlite":
        leak_free("Database", connection.connection.serialize(), "\n".join(connection.connection.iterdump()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="For PostgreSQL.")
def test_dump_of_postgresql(person: Person, leak_free: LeakFree) -> None:
    database = connection.settings_dict
    command = ["pg_dump", f"--host={database['HOST']}", f"--username={database['USER']}", database["NAME"]]
    leak_free("Database", subprocess.run(command, check=True, capture_output=True).stdout)


def test_sql_log(bird_vault: Sandbox, debug: None, caplog: pytest.LogCaptureFixture, leak_free: LeakFree) -> None:
    caplog.set_level(logging.DEBUG, "django.db.backends")
    fill()
    read_all()
    list(errors_of(bird_vault))
    leak_free("SQL log", caplog.text, *(repr(vars(record)) for record in caplog.records))
    leak_free("connection.queries", repr(connection.queries), repr(connection.queries_log))


def test_explain(person: Person, plaintext: Canary, leak_free: LeakFree) -> None:
    queries = [Account.objects.filter(iban=plaintext.text), Account.objects.filter(iban__in=[plaintext.text])]
    for query in queries:
        leak_free("EXPLAIN", str(query.query), query.explain(), repr(query.query.where))


@pytest.mark.parametrize(
    ("sink", "logger"), [("Log of django_altr", "django_altr"), ("Log of requests and urllib3", "")]
)
def test_logs(
    bird_vault: Sandbox, caplog: pytest.LogCaptureFixture, leak_free: LeakFree, sink: str, logger: str
) -> None:
    caplog.set_level(logging.DEBUG, logger)
    fill()
    read_all()
    list(errors_of(bird_vault))
    with bird_vault.misbehave(status=503):
        for _ in range(6):
            pytest.raises(ServiceUnavailable, lambda: Person.objects.last().name)
    assert "circuit" in caplog.text or "no request is sent" in caplog.text
    leak_free(sink, caplog.text, *(repr(vars(record)) for record in caplog.records))


def test_warnings(bird_vault: Sandbox, leak_free: LeakFree) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fill()
        read_all()
        list(errors_of(bird_vault))
        from tests.models import Options

        Options.objects.create(created="2020-01-01 00:00").full_clean()
    leak_free("Warnings", "searched", *(str(vars(each)) for each in caught))


def test_repr(person: Person, plaintext: Canary, leak_free: LeakFree) -> None:
    loaded = read_all()
    changed = Person.objects.last()
    changed.name = plaintext.text
    pending = changed.__dict__["name_token"]
    field = Person._meta.get_field("name")
    form = PersonForm({"name": plaintext.text}, instance=changed)
    backend: Any = vaults["default"]
    shown: list[Any] = [
        loaded, changed, changed.__dict__, vars(pending), pending, changed.name_token, person.name_token,
        Person.objects.all(), Person.objects.all().query, Account.objects.filter(iban=plaintext.text),
        Account.objects.filter(iban=plaintext.text).query.where, Person.objects.values("name"),
        Person.objects.values_list("name", flat=True)[0], field, field.base_field, form, form.fields,
        form.fields["name"], form["name"].field, Chart.history.all(), backend, vars(backend), backend._client,
        vars(backend._client), backend._client._credentials, vaults, backend._client._session,
    ]  # fmt: skip
    leak_free("repr and str", *(f"{each!r}" for each in shown))
    leak_free("repr and str", *(f"{each}" for each in (pending, changed.name_token, field, backend)))
    leak_free("repr and str", repr(Q(iban=pending)), f"{pending:}", "%s" % pending)  # noqa: UP031


def test_exceptions(bird_vault: Sandbox, plaintext: Canary, secret: Canary, leak_free: LeakFree) -> None:
    fill()
    for _, error in errors_of(bird_vault):
        assert leaks_in(error, plaintext, secret) == []
        leak_free("Exceptions", str(error), repr(error), repr(vars(error)), pickle.dumps(error))


def test_error_page(bird_vault: Sandbox, debug: None, leak_free: LeakFree) -> None:
    fill()
    for request, error in errors_of(bird_vault):
        reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
        page = reporter.get_traceback_html()
        assert "fail_" in page
        leak_free("Error page", page, reporter.get_traceback_text())


@pytest.mark.filterwarnings("ignore:.*MAILERS")
def test_error_mail(
    bird_vault: Sandbox, settings: Any, client: Client, leak_free: LeakFree, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.utils.log import AdminEmailHandler

    settings.ADMINS = [("Admin", "admin@example.com")] if _django_version() < (6, 0) else ["admin@example.com"]
    handler = AdminEmailHandler(include_html=True)
    fill()
    for request, error in errors_of(bird_vault):
        record = logging.LogRecord("django.request", logging.ERROR, "", 0, "failed", (), None)
        record.exc_info = (type(error), error, error.__traceback__)
        record.request = request
        handler.emit(record)
    assert len(mail.outbox) == 5
    leak_free("Error mail", *(message.message().as_bytes() for message in mail.outbox))
    leak_free("Error mail", *(content for message in mail.outbox for content, _ in message.alternatives))
    leak_free("Error mail", *(message.body for message in mail.outbox))


def _django_version() -> tuple[int, int]:
    import django

    return django.VERSION[:2]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:sentry_sdk")
def test_sentry(bird_vault: Sandbox, leak_free: LeakFree) -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Recorder(Transport):
        sent: list[bytes] = []

        def capture_envelope(self, envelope: Any) -> None:
            self.sent.append(envelope.serialize())

    fill()
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(
            sentry_sdk.Client(
                "https://key@sentry.invalid/1", transport=Recorder, include_local_variables=True, send_default_pii=True,
                max_value_length=100_000, max_request_body_size="always", auto_enabling_integrations=False,
            )
        )  # fmt: skip
        for _, error in errors_of(bird_vault):
            sentry_sdk.capture_exception(error)
            logging.getLogger("x").error("failed", exc_info=error)
        scope.get_client().flush()
    assert len(Recorder.sent) >= 5
    assert b'"vars"' in Recorder.sent[0]
    leak_free("Sentry event", *Recorder.sent)


def test_pickle_and_copy(person: Person, plaintext: Canary, leak_free: LeakFree) -> None:
    people = read_all()
    values = list(Person.objects.values("name", "ssn"))
    values[-1]["name"]()
    queryset = Person.objects.prefetch_related("name")
    list(queryset)
    things = [people, copy.copy(people[-1]), copy.deepcopy(people[-1]), values, queryset, person.name_token]
    things += [Account.objects.get(iban=plaintext.text), list(Chart.history.all())]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        leak_free("Pickle and copy", *(pickle.dumps(thing, protocol) for thing in things))


@pytest.mark.django_db(transaction=True)  # for MariaDB a new table is a commit
def test_cache(person: Person, settings: Any, tmp_path: Path, leak_free: LeakFree) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "leaks"},
        "file": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)},
        "database": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "leaks_cache"},
    }
    call_command("createcachetable", verbosity=0)
    for alias in settings.CACHES:
        caches[alias].set("people", read_all())
        caches[alias].set("queryset", Person.objects.prefetch_related("name"))
        assert caches[alias].get("people")[-1].name
    leak_free("Cache", *(bytes(entry) for entry in caches["default"]._cache.values()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM leaks_cache")
        leak_free("Cache", *(pickled(row[0]) for row in cursor.fetchall()))
        cursor.execute("DROP TABLE leaks_cache")


def pickled(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


def test_cache_in_redis(person: Person, settings: Any, leak_free: LeakFree) -> None:
    redis = pytest.importorskip("redis")
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/9")
    server = redis.Redis.from_url(url)
    try:
        server.ping()
    except redis.ConnectionError:
        pytest.skip("No Redis.")
    prefix = f"leaks-{uuid.uuid4()}"
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url, "KEY_PREFIX": prefix}
    }
    caches["default"].set_many({"people": read_all(), "one": person})
    keys = server.keys(f"{prefix}:*")
    contents = [server.get(key) for key in keys]
    server.delete(*keys)
    server.close()
    caches["default"].close()
    leak_free("Cache", *contents)


@pytest.mark.parametrize("engine", ["db", "signed_cookies", "cache", "file"])
def test_session(person: Person, settings: Any, tmp_path: Path, leak_free: LeakFree, engine: str) -> None:
    from importlib import import_module

    settings.SESSION_SERIALIZER = "tests.leaks.test_sinks.PickleSerializer"
    settings.SESSION_FILE_PATH = str(tmp_path)
    session: SessionBase = import_module(f"django.contrib.sessions.backends.{engine}").SessionStore()
    session["people"] = read_all()
    session["token"] = person.name_token
    session.save()
    stored = PickleSerializer().dumps(dict(session.items()))
    leak_free("Session", stored, *every_cell(), *(each.read_bytes() for each in tmp_path.iterdir()))


class PickleSerializer:
    """Sessions that keep objects; a signed cookie is this, compressed."""

    def dumps(self, obj: Any) -> bytes:
        return pickle.dumps(obj)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


def test_fixtures(person: Person, tmp_path: Path, leak_free: LeakFree) -> None:
    people = read_all()
    for format in ("json", "jsonl", "xml", "yaml", "python"):
        leak_free("Fixtures", str(serializers.serialize(format, people)))
        leak_free("Fixtures", str(serializers.serialize(format, Chart.objects.all())))
    out = io.StringIO()
    call_command("dumpdata", "tests", "admin", stdout=out)
    leak_free("Fixtures", out.getvalue())


def test_admin_log(person: Person, settings: Any, admin_client: Client, plaintext: Canary, leak_free: LeakFree) -> None:
    settings.ROOT_URLCONF = "tests.admin.urls"
    base = "/admin/tests/person/"
    new = {"name": plaintext.text, "email": "a@example.com", "ssn": plaintext.word, "age": "1", "team": "x"}
    added = admin_client.post(f"{base}add/", form_data(admin_client.get(f"{base}add/"), **new))
    assert added.status_code == 302
    row = f"{base}{Person.objects.latest('pk').pk}/"
    changed = {"name": plaintext.text + "!", "age": "2"}
    admin_client.post(f"{row}change/", form_data(admin_client.get(f"{row}change/"), **changed))
    admin_client.post(f"{row}delete/", {"post": "yes"})
    entries = LogEntry.objects.values_list("object_repr", "change_message")
    assert len(entries) >= 3
    leak_free("Admin log", repr(list(entries)), *every_cell())


def test_history(person: Person, leak_free: LeakFree) -> None:
    newest, oldest = Chart.history.all()
    assert newest.name
    delta = newest.diff_against(oldest)
    leak_free("History", repr(delta), repr(Chart.history.all()), pickle.dumps(list(Chart.history.all())))
    leak_free("History", repr(list(Chart.history.values())))


def test_metadata(bird_vault: Sandbox, leak_free: LeakFree) -> None:
    fill()
    labels = [vaults["default"].metadata(person.name_token) for person in Person.objects.all()]
    assert set(labels) == {"tests.Person.name"}
    leak_free("Metadata", *filter(None, labels))


def test_urls(bird_vault: Sandbox, leak_free: LeakFree) -> None:
    fill()
    read_all()
    leak_free("URLs", *(request.path for request in bird_vault.requests))


def test_migrations(person: Person, leak_free: LeakFree) -> None:
    read_all()
    migration = Migration("0001_initial", "tests")
    for model in (Person, Account, Chart):
        state = ModelState.from_model(model)
        migration.operations.append(CreateModel(state.name, list(state.fields.items())))
    leak_free("Migrations", MigrationWriter(migration).as_string())


def test_process_and_files(person: Person, leak_free: LeakFree, secret: Canary) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("Looks into /proc.")
    read_all()
    own = Path("/proc/self")
    leak_free("Process", (own / "cmdline").read_bytes(), (own / "environ").read_bytes(), repr(dict(os.environ)))
    gc.collect()
    leak_free("Temporary files", "searched", *_open_files(own / "fd"), *_new_temporary_files())


def _open_files(descriptors: Path) -> Iterator[bytes]:
    for descriptor in descriptors.iterdir():
        try:
            target = descriptor.resolve()
            if target.is_file() and not str(target).startswith("/proc") and target.stat().st_size < 10**7:
                yield target.read_bytes()
        except OSError:
            continue


def _new_temporary_files() -> Iterator[bytes]:
    import psutil

    started = psutil.Process().create_time()
    for path in Path(tempfile.gettempdir()).glob("*"):
        try:
            if path.is_file() and path.stat().st_mtime > started and path.stat().st_uid == os.getuid():
                yield path.read_bytes()
        except OSError:
            continue


def test_the_documentation_has_the_table_of_these_sinks() -> None:
    page = (ROOT / "docs" / "leaks-table.md").read_text()
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in _rows(page)}
    assert {sink: row[0] for sink, row in rows.items()} == SINKS
    assert {cell for row in rows.values() for cell in row[1:3]} == {"not found"}


def _rows(page: str) -> Iterator[list[str]]:
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith("| where"):
            yield re.split(r"(?<!\\)\|", line)[1:]
