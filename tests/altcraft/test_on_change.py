"""Delivery after each commit, by Django's Tasks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from django_altr.contrib.altcraft.models import Batch, Delivery
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import Altcraft
from tests.altcraft import SubscriberProfile
from tests.models import Subscriber

from .conftest import DELETE, IMPORT_BATCH, Project, Result, kill, output
from .queues import BACKENDS, Queue

Sync = Callable[..., Result]


@pytest.fixture
def on_change(transactional_db: None, platform: Altcraft, monkeypatch: pytest.MonkeyPatch) -> Iterator[Altcraft]:
    """Deliver changes at once: the default backend of the tasks runs them where they are enqueued."""
    monkeypatch.setattr(SubscriberProfile, "on_change", True)
    yield platform


def add(**values: Any) -> Subscriber:
    return Subscriber.objects.create(**{"email": "zoe@example.com", "name": "Zoë Kravitz", **values})


def test_a_saved_row_is_delivered_after_the_commit(on_change: Altcraft) -> None:
    with transaction.atomic():
        row = add()
        assert on_change.profiles() == []
    (profile,) = on_change.profiles()
    assert profile["_fname"] == "Zoë"
    row.name = "Ada Lovelace"
    row.save()
    (profile,) = on_change.profiles()
    assert profile["_fname"] == "Ada"


def test_a_rolled_back_row_is_not_delivered(on_change: Altcraft) -> None:
    with transaction.atomic():
        add()
        transaction.set_rollback(True)
    assert on_change.profiles() == []


def test_a_save_without_a_change_sends_nothing(on_change: Altcraft, sandbox: Sandbox) -> None:
    row = add()
    row.save()
    assert sandbox.count(IMPORT_BATCH) == 1


def test_a_deleted_row_and_a_withdrawn_consent_delete_the_profile(on_change: Altcraft, sandbox: Sandbox) -> None:
    add().delete()
    assert on_change.profiles() == []
    row = add()
    row.wants_mail = False
    row.save()
    assert on_change.profiles() == []
    assert sandbox.count(DELETE) == 2


def test_a_fixture_that_is_loaded_is_left_to_the_command(on_change: Altcraft, sync: Sync) -> None:
    from django.core import serializers

    row = add()
    data = serializers.serialize("json", [row])
    row.delete()
    for each in serializers.deserialize("json", data):
        each.save()
    assert on_change.profiles() == []
    sync()
    assert len(on_change.profiles()) == 1


def test_an_outage_does_not_fail_the_save_and_the_command_delivers_later(
    on_change: Altcraft, sandbox: Sandbox, sync: Sync, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "django")
    with sandbox.misbehave(route=IMPORT_BATCH, drop="before"):
        add()
    assert on_change.profiles() == []
    assert sync()[0] == 0
    assert len(on_change.profiles()) == 1


def test_the_next_change_settles_an_interrupted_request_of_its_row(on_change: Altcraft, sandbox: Sandbox) -> None:
    with sandbox.misbehave(route=IMPORT_BATCH, drop="lost"):
        row = add()
    row.email = "new@example.com"
    row.save()
    (profile,) = on_change.profiles()
    assert profile["email"] == "new@example.com"
    assert not Batch.objects.exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("queue", BACKENDS, indirect=True)
def test_a_real_worker_delivers_retries_and_survives_kills(project: Project, queue: Queue, sandbox: Sandbox) -> None:
    platform = sandbox.altcraft
    variables = {"ALTCRAFT_ON_CHANGE": "1"}

    def shell(code: str) -> str:
        return output(project("shell", "-v0", "-c", f"from tests.models import Subscriber\n{code}", **variables))

    def worker() -> Any:
        return project(*queue.worker, **variables)

    def wait_for(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, [profile["email"] for profile in platform.profiles()]
            time.sleep(0.05)

    output(project("migrate", "--run-syncdb", "--verbosity", "0"))
    first = worker()
    # The request is applied, its answer is lost for the whole budget of the client: the task is tried again.
    with sandbox.misbehave(route=IMPORT_BATCH, times=2, drop="lost"):
        shell("Subscriber.objects.create(email='a@example.com', name='Zoë K')")
        wait_for(lambda: len(platform.profiles()) == 1)
    shell("row = Subscriber.objects.get(); row.email = 'b@example.com'; row.save()")
    wait_for(lambda: [profile["email"] for profile in platform.profiles()] == ["b@example.com"])

    # Killed in the middle of a task: the command goes on with the same request.
    with sandbox.misbehave(route=IMPORT_BATCH, latency=1):
        before = sandbox.count(IMPORT_BATCH)
        shell("Subscriber.objects.create(email='c@example.com', name='Ada L')")
        wait_for(lambda: sandbox.count(IMPORT_BATCH) > before)
        kill(first)
    output(project("altcraft_sync", "tests.Subscriber", **variables))
    assert sorted(profile["email"] for profile in platform.profiles()) == ["b@example.com", "c@example.com"]

    second = worker()
    shell("Subscriber.objects.all().delete()")
    wait_for(lambda: platform.profiles() == [])
    second.terminate()
    second.communicate(timeout=30)
    # The queue holds no plaintext.
    kept = queue.dump(shell)
    assert "tests.Subscriber" in kept
    assert "example.com" not in kept and "Zoë" not in kept
    assert Delivery.__name__ not in kept


def test_a_task_that_cannot_deliver_is_put_off(on_change: Altcraft, sandbox: Sandbox, monkeypatch: Any) -> None:
    from django_altr.contrib.altcraft import tasks

    later: list[tuple[Any, ...]] = []

    class Deferring:
        supports_defer = True

    class Task:
        get_backend = staticmethod(lambda: Deferring)

        def using(self, run_after: Any) -> Task:
            return self

        def enqueue(self, *args: Any) -> None:
            later.append(args)

    row = add()
    func = tasks.deliver.func
    monkeypatch.setattr(tasks, "deliver", Task())
    row.name = "Ada"
    with sandbox.misbehave(route=IMPORT_BATCH, status=500):
        assert "tried_again" in func("tests.Subscriber", _changed(row))
        with pytest.raises(tasks.NotDelivered, match="500"):
            func("tests.Subscriber", str(row.pk), len(tasks.PAUSES))
    assert later == [("tests.Subscriber", str(row.pk), 1)]
    assert func("tests.Subscriber", str(row.pk))["delivered"] == 1


def _changed(row: Subscriber) -> str:
    Subscriber.objects.filter(pk=row.pk).update(city="Oslo")
    return str(row.pk)
