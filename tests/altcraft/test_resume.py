"""A run that was interrupted goes on with the same requests: nothing is lost, nothing is there twice."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_altr.contrib.altcraft import ledger
from django_altr.contrib.altcraft.mapping import registry
from django_altr.contrib.altcraft.models import Batch, Delivery
from django_altr.contrib.altcraft.profiles import Outgoing, build_profiles
from django_altr.contrib.altcraft.sync import Synchronizer
from django_altr.redact import Redacted
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import Altcraft
from tests.models import Subscriber

from .conftest import DELETE, IMPORT_BATCH, Project, Result, output, subscribers

Sync = Callable[..., Result]


# Each kind of interruption, one at a time


@pytest.fixture(params=["before it was sent", "after it was applied"])
def interrupted(request: pytest.FixtureRequest, sync: Sync, sandbox: Sandbox, platform: Altcraft) -> list[Subscriber]:
    """Leave a request about three rows without a recorded outcome."""
    rows = subscribers(3)
    with sandbox.misbehave(route=IMPORT_BATCH, drop="before" if request.param.startswith("before") else "lost"):
        assert sync()[0] == 1
    assert Batch.objects.count() == 1
    assert len(platform.profiles()) == (3 if request.param.startswith("after") else 0)
    return rows


def emails(platform: Altcraft) -> list[str]:
    return sorted(profile["email"] for profile in platform.profiles())


@pytest.mark.django_db
def test_unchanged_rows_are_sent_again_as_they_were(interrupted: Any, sync: Sync, platform: Altcraft) -> None:
    request_id = str(Batch.objects.get().pk)
    assert sync()[0] == 0
    assert emails(platform) == ["s0@example.com", "s1@example.com", "s2@example.com"]
    assert [request["request_id"] for request in platform.requests()] == [request_id]
    assert not Batch.objects.exists()
    assert "3 unchanged" in sync()[1]


@pytest.mark.django_db
def test_a_row_that_changed_meanwhile_arrives_once_as_it_is_now(
    interrupted: list[Subscriber], sync: Sync, platform: Altcraft
) -> None:
    interrupted[1].email = "new@example.com"
    interrupted[1].save()
    assert sync()[0] == 0
    assert emails(platform) == ["new@example.com", "s0@example.com", "s2@example.com"]
    assert "3 unchanged" in sync()[1]


@pytest.mark.django_db
def test_a_row_that_was_deleted_meanwhile_leaves_no_profile(
    interrupted: list[Subscriber], sync: Sync, platform: Altcraft
) -> None:
    interrupted[1].delete()
    assert sync()[0] == 0
    assert emails(platform) == ["s0@example.com", "s2@example.com"]


@pytest.mark.django_db
def test_a_row_whose_consent_was_withdrawn_meanwhile_leaves_no_profile(
    interrupted: list[Subscriber], sync: Sync, platform: Altcraft
) -> None:
    Subscriber.objects.filter(pk=interrupted[1].pk).update(wants_mail=False)
    assert sync()[0] == 0
    assert emails(platform) == ["s0@example.com", "s2@example.com"]


@pytest.mark.django_db
def test_a_second_interruption_while_finding_out_changes_nothing(
    interrupted: list[Subscriber], sync: Sync, platform: Altcraft, sandbox: Sandbox
) -> None:
    interrupted[1].email = "new@example.com"
    interrupted[1].save()
    with sandbox.misbehave(route=IMPORT_BATCH, drop="lost"):
        assert sync()[0] == 1
    assert sync()[0] == 0
    assert emails(platform) == ["new@example.com", "s0@example.com", "s2@example.com"]


@pytest.mark.django_db
def test_a_platform_that_refuses_the_empty_request_does_not_stop_the_run(
    sync: Sync, sandbox: Sandbox, platform: Altcraft
) -> None:
    (row,) = subscribers(1)
    with sandbox.misbehave(route=IMPORT_BATCH, drop="before"):
        sync()
    row.email = "new@example.com"
    row.save()
    with sandbox.misbehave(route=IMPORT_BATCH, times=1, body='{"error": 400}'):
        assert sync()[0] == 0
    assert emails(platform) == ["new@example.com"]


@pytest.mark.django_db
@pytest.mark.parametrize("code", [401, 500])
@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed"])
def test_as_long_as_the_platform_does_not_tell_the_outcome_the_request_is_kept(
    interrupted: list[Subscriber], sync: Sync, sandbox: Sandbox, platform: Altcraft, code: int, changed: bool
) -> None:
    request_id = Batch.objects.get().pk
    if changed:
        interrupted[0].email = "a@example.com"
        interrupted[0].save()
    with sandbox.misbehave(route=IMPORT_BATCH, body=f'{{"error": {code}}}'):
        assert sync()[0] == 1
    assert Batch.objects.get().pk == request_id
    assert sync()[0] == 0
    assert emails(platform) == [interrupted[0].email, "s1@example.com", "s2@example.com"]


@pytest.mark.django_db
def test_a_request_older_than_the_platforms_memory_is_sent_again_and_told(
    interrupted: Any,
    sync: Sync,
    platform: Altcraft,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(platform, "_clock", lambda: time.time() + 2 * 24 * 60 * 60)
    Batch.objects.update(created=timezone.now() - timedelta(days=2))
    assert sync()[0] == 0
    assert len(platform.profiles()) == 3
    assert "older than what Altcraft remembers" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed again"])
@pytest.mark.parametrize("drop", ["before", "lost"])
def test_an_interrupted_change_of_the_matching_value_goes_on(
    sync: Sync, sandbox: Sandbox, platform: Altcraft, drop: str, changed: bool
) -> None:
    (row,) = subscribers(1)
    sync()
    row.email = "second@example.com"
    row.save()
    with sandbox.misbehave(route=IMPORT_BATCH, drop=drop):
        assert sync()[0] == 1
    if changed:
        row.email = "third@example.com"
        row.save()
    assert sync()[0] == 0
    assert emails(platform) == [row.email]


@pytest.mark.django_db
@pytest.mark.parametrize("drop", ["before", "lost"])
def test_an_interrupted_deletion_is_sent_again_with_the_same_request_id(
    sync: Sync, sandbox: Sandbox, platform: Altcraft, drop: str
) -> None:
    rows = subscribers(2)
    sync()
    rows[0].delete()
    with sandbox.misbehave(route=DELETE, drop=drop):
        assert sync()[0] == 1
    request_id = str(Batch.objects.get(method=Batch.Method.DELETE).pk)
    code, out, _ = sync()
    assert (code, "1 deleted" in out) == (0, True)
    assert emails(platform) == ["s1@example.com"]
    assert platform.requests()[-1]["request_id"] == request_id


@pytest.mark.django_db
def test_a_refused_deletion_is_told_and_tried_again(sync: Sync, sandbox: Sandbox, platform: Altcraft) -> None:
    (row,) = subscribers(1)
    sync()
    row.delete()
    with sandbox.misbehave(route=DELETE, body='{"error": 403}'):
        code, _, err = sync()
    assert code == 3
    assert ": 403: the API token has no right" in err
    assert sync()[0] == 0
    assert platform.profiles() == []


@pytest.mark.django_db
def test_an_answer_with_another_number_of_results_is_not_used(sync: Sync, sandbox: Sandbox, platform: Altcraft) -> None:
    subscribers(2)
    with sandbox.misbehave(route=IMPORT_BATCH, times=1, body='{"error": 0, "result": [{"error": 0}]}'):
        code, _, err = sync()
    assert code == 1
    assert "another number of results" in err
    assert not Delivery.objects.filter(state=Delivery.State.DELIVERED).exists()
    assert sync()[0] == 0
    assert len(platform.profiles()) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("result", ["null", "{}", '{"error": "0"}'])
def test_a_result_without_a_code_is_a_failure_of_its_row(sync: Sync, sandbox: Sandbox, result: str) -> None:
    subscribers(1)
    with sandbox.misbehave(route=IMPORT_BATCH, times=1, body=f'{{"error": 0, "result": [{result}]}}'):
        code, _, err = sync()
    assert code == 3
    assert "no error code" in err


@pytest.mark.django_db
def test_a_row_that_another_run_is_about_is_left_to_it(sync: Sync, platform: Altcraft) -> None:
    subscribers(2)
    mapping = registry[Subscriber]
    other = Batch.objects.create(
        model="tests.Subscriber", method=Batch.Method.IMPORT, using="default", db_id=1, matching="email", size=1
    )
    first = Subscriber.objects.earliest("pk")
    Delivery.objects.create(model="tests.Subscriber", row=str(first.pk), batch=other)
    synchronizer = Synchronizer(mapping)
    synchronizer.deliver(Redacted(mapping.get_queryset()))
    assert (synchronizer.report.delivered, synchronizer.report.busy) == (1, 1)
    assert emails(platform) == ["s1@example.com"]


@pytest.mark.django_db
def test_a_row_that_another_run_delivered_since_it_was_read_is_left_as_it_is(platform: Altcraft) -> None:
    subscribers(1)
    mapping = registry[Subscriber]
    slow, fast = Synchronizer(mapping), Synchronizer(mapping)
    claim = ledger.claim_import

    def deliver_first(*args: Any) -> Any:
        fast.deliver(Redacted(mapping.get_queryset()))
        return claim(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "claim_import", lambda *args: (patch.undo(), deliver_first(*args))[1])
        slow.deliver(Redacted(mapping.get_queryset()))
    assert (fast.report.delivered, slow.report.delivered, slow.report.busy) == (1, 0, 1)
    assert len(platform.requests()) == 1


@pytest.mark.django_db
def test_a_row_is_claimed_once(platform: Altcraft) -> None:
    mapping = registry[Subscriber]
    (row,) = subscribers(1)
    (outgoing,) = build_profiles(mapping, Redacted([row]))
    assert isinstance(outgoing, Outgoing)
    assert ledger.claim_import(mapping, "email", [outgoing], {})[1] == [outgoing]
    assert ledger.claim_import(mapping, "email", [outgoing], {}) == (None, [])
    delivery = Delivery.objects.get()
    assert ledger.claim_deletion(mapping, delivery) is None
    assert Batch.objects.count() == 1


@pytest.mark.django_db
def test_a_batch_about_nothing_is_cleared_away(sync: Sync) -> None:
    Batch.objects.create(
        model="tests.Subscriber", method=Batch.Method.IMPORT, using="default", db_id=1, matching="email", size=1
    )
    sync()
    assert not Batch.objects.exists()


# kill -9 of the real command


FILL = """
from tests.models import Subscriber
Subscriber.objects.bulk_create(Subscriber(email=f"s{i}@example.com", name=f"Name{i} Smith") for i in range(600))
"""
CHANGE = """
import random
from tests.models import Subscriber
rows = list(Subscriber.objects.order_by("?")[:30])
for row in rows[:10]:
    row.email = f"c{random.getrandbits(60)}@example.com"
    row.save()
for row in rows[10:20]:
    row.delete()
Subscriber.objects.filter(pk__in=[row.pk for row in rows[20:]]).update(wants_mail=False)
"""
EXPECTED = """
from tests.models import Subscriber
print(*sorted(row.email for row in Subscriber.objects.filter(wants_mail=True).prefetch_related("email")))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("changing", [False, True], ids=["as it was", "with changes in between"])
def test_killed_anywhere_the_next_run_goes_on(project: Project, sandbox: Sandbox, changing: bool) -> None:
    platform = sandbox.altcraft
    output(project("migrate", "--run-syncdb", "--verbosity", "0"))
    output(project("shell", "-v0", "-c", FILL))
    kills = 0
    with sandbox.misbehave(route=IMPORT_BATCH, latency=0.05), sandbox.misbehave(route=DELETE, latency=0.02):
        for _ in range(4):
            before = sandbox.count(IMPORT_BATCH)
            process = project("altcraft_sync", "tests.Subscriber", "--batch-size", "25")
            while process.poll() is None and sandbox.count(IMPORT_BATCH) == before:
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += process.returncode == -signal.SIGKILL
            if changing:
                output(project("shell", "-v0", "-c", CHANGE))
        output(project("altcraft_sync", "tests.Subscriber", "--batch-size", "25"))
    assert kills >= 2
    expected = output(project("shell", "-v0", "-c", EXPECTED)).split()
    assert emails(platform) == expected
    assert f"{len(expected)} unchanged" in output(project("altcraft_sync", "tests.Subscriber"))
    if not changing:
        # Every profile was in exactly one request that the platform applied.
        imports = [each for each in platform.requests() if each["method"] == "profiles/import_batch"]
        assert len(imports) == 600 // 25
