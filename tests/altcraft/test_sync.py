"""``altcraft_sync``: what arrives at the platform, and in how many requests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_altr.contrib.altcraft.models import Batch, Delivery
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import Altcraft
from tests.altcraft import SubscriberProfile
from tests.models import Country, Subscriber

from .conftest import DELETE, DETOKENIZE, IMPORT_BATCH, Result, subscribers

Sync = Callable[..., Result]
pytestmark = pytest.mark.django_db


def emails(platform: Altcraft) -> list[str]:
    return sorted(profile["email"] for profile in platform.profiles())


def test_a_row_arrives_as_its_mapping_says(sync: Sync, platform: Altcraft) -> None:
    subscribers(1, email="zoe@example.com", name="Zoë Kravitz", phone="+48 123 456 789")
    assert sync()[0] == 0
    (profile,) = platform.profiles(db_id=1)
    assert profile.pop("id") == Delivery.objects.get().profile_id
    assert profile == {"email": "zoe@example.com", "_fname": "Zoë", "phones": ["+48 123 456 789"], "city": "Łódź"}


def test_an_unchanged_row_is_not_sent_again(sync: Sync, sandbox: Sandbox) -> None:
    subscribers(3)
    sync()
    _, out, _ = sync()
    assert "3 unchanged" in out
    assert sandbox.count(IMPORT_BATCH) == 1


def test_a_changed_row_is_sent_alone(sync: Sync, platform: Altcraft, sandbox: Sandbox) -> None:
    rows = subscribers(3)
    sync()
    rows[1].name = "Ada Lovelace"
    rows[1].save()
    _, out, _ = sync()
    assert "1 sent, 2 unchanged" in out
    assert [profile["_fname"] for profile in platform.profiles()] == ["Zoë0", "Ada", "Zoë2"]


def test_a_new_email_address_changes_the_profile_and_adds_none(sync: Sync, platform: Altcraft) -> None:
    rows = subscribers(2)
    sync()
    rows[0].email = "new@example.com"
    rows[0].save()
    assert sync()[0] == 0
    assert emails(platform) == ["new@example.com", "s1@example.com"]


def test_a_profile_that_was_deleted_at_the_platform_is_added_again(sync: Sync, platform: Altcraft, client: Any) -> None:
    (row,) = subscribers(1)
    sync()
    client.delete_profile(db_id=1, email="s0@example.com")
    row.email = "new@example.com"
    row.save()
    code, _, err = sync()
    assert code == 3
    assert f"tests.Subscriber {row.pk}: 404" in err
    assert sync()[0] == 0
    assert emails(platform) == ["new@example.com"]


def test_ten_thousand_rows_take_ten_detokenize_requests_a_field_and_one_import_a_batch(
    sync: Sync, platform: Altcraft, sandbox: Sandbox
) -> None:
    subscribers(10_000)
    sandbox.reset(values=False)
    code, out, _ = sync("--batch-size", "2500")
    assert (code, "10000 sent" in out) == (0, True)
    assert sandbox.count(DETOKENIZE) <= 10 * 2  # phone is empty: nothing to read
    assert sandbox.count(IMPORT_BATCH) == 4
    assert len(platform.profiles()) == 10_000


@pytest.mark.parametrize("reads", [["name"], []], ids=["declared", "lazily"])
def test_fields_that_only_a_callable_reads_are_read_in_batches_too(
    sync: Sync, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    monkeypatch.setattr(SubscriberProfile, "reads", reads)
    subscribers(1500)
    sandbox.reset(values=False)
    sync("--batch-size", "100")
    assert sandbox.count(DETOKENIZE) <= 2 * 2
    assert sandbox.count(IMPORT_BATCH) == 15


def test_fields_through_a_relation_are_read_in_one_request(
    sync: Sync,
    platform: Altcraft,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Any,
) -> None:
    monkeypatch.setattr(SubscriberProfile, "fields", {"email": "email", "motto": "country__motto"})
    monkeypatch.setattr(SubscriberProfile, "reads", [])
    country = Country.objects.create(code="pl", motto="Za wolność")
    subscribers(5, country=country)
    subscribers(1)
    sandbox.reset(values=False)
    assert sync()[0] == 0
    assert [profile["motto"] for profile in platform.profiles()] == ["Za wolność"] * 5 + [None]
    assert sandbox.count(DETOKENIZE) == 2


def test_three_bad_profiles_of_a_thousand_are_named_and_the_others_arrive(sync: Sync, platform: Altcraft) -> None:
    rows = subscribers(1000)
    bad = [rows[7], rows[500], rows[999]]
    Subscriber.objects.filter(pk__in=[row.pk for row in bad]).update(email="no address")
    code, out, err = sync()
    assert code == 3
    assert "997 sent" in out and "3 refused" in out
    assert [line.split(":")[0] for line in err.splitlines()[:3]] == [f"tests.Subscriber {row.pk}" for row in bad]
    assert all(": 450: a value is not valid" in line for line in err.splitlines()[:3])
    assert len(platform.profiles()) == 997
    failed = Delivery.objects.filter(state=Delivery.State.FAILED)
    assert sorted(failed.values_list("row", flat=True)) == sorted(str(row.pk) for row in bad)


def test_a_refused_row_is_tried_again_and_arrives_once_it_is_right(sync: Sync, platform: Altcraft) -> None:
    (row,) = subscribers(1, email="no address")
    assert sync()[0] == 3
    row.email = "right@example.com"
    row.save()
    assert sync()[0] == 0
    assert emails(platform) == ["right@example.com"]
    assert Delivery.objects.get().error == ""


def test_a_row_without_a_matching_value_is_not_sent(sync: Sync, sandbox: Sandbox) -> None:
    (row,) = subscribers(1, email="")
    code, _, err = sync()
    assert code == 3
    assert f"{row.pk}: The matching value (email) is empty." in err
    assert sandbox.count(IMPORT_BATCH) == 0


def test_a_row_whose_token_the_vault_does_not_know_stops_no_other(sync: Sync, platform: Altcraft) -> None:
    rows = subscribers(3)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE tests_subscriber SET email = %s WHERE id = %s", [f"chain_{'0' * 64}", rows[1].pk])
    code, _, err = sync()
    assert code == 3
    assert f"{rows[1].pk}: The vault does not know a reference token of this row." in err
    assert emails(platform) == ["s0@example.com", "s2@example.com"]


def test_a_callable_that_fails_stops_no_other_and_its_message_is_not_shown(
    sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def number(row: Subscriber) -> int:
        return int(row.name)

    monkeypatch.setattr(SubscriberProfile, "fields", {"email": "email", "number": number})
    subscribers(1)
    subscribers(1, name="42")
    code, _, err = sync()
    assert code == 3
    assert "The mapping failed with ValueError." in err
    assert "Zoë" not in err
    assert emails(platform) == ["s1@example.com"]


def test_rows_are_matched_by_phone(sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubscriberProfile, "matching", "phone")
    (row,) = subscribers(1, phone="+48 123 456 789")
    subscribers(1)
    code, _, err = sync()
    assert code == 3
    assert "The matching value (phones) is empty." in err
    row.name = "Ada Lovelace"
    row.save()
    sync()
    assert [(profile["_fname"], profile["phones"]) for profile in platform.profiles()] == [("Ada", ["+48 123 456 789"])]


def test_phones_that_are_none_are_told(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SubscriberProfile, "matching", "phone")
    monkeypatch.setattr(SubscriberProfile, "fields", {"phones": lambda row: 48123456789})
    subscribers(1)
    code, _, err = sync()
    assert code == 3
    assert "phones must be a phone number or a list" in err


def test_rows_are_matched_by_a_field_of_ones_own(
    sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SubscriberProfile, "matching", "custom")
    monkeypatch.setattr(SubscriberProfile, "matching_field", "crm_id")
    monkeypatch.setattr(SubscriberProfile, "fields", {"crm_id": "id", "email": "email"})
    (row,) = subscribers(1)
    sync()
    row.email = "new@example.com"
    row.save()
    assert sync()[0] == 0
    assert [(profile["crm_id"], profile["email"]) for profile in platform.profiles()] == [(row.pk, "new@example.com")]


# Consent and deletion


def test_a_row_without_consent_is_neither_read_nor_sent(sync: Sync, platform: Altcraft, sandbox: Sandbox) -> None:
    subscribers(2, wants_mail=False)
    sandbox.reset(values=False)
    _, out, _ = sync()
    assert "2 without consent" in out
    assert sandbox.count() == 0
    assert not Delivery.objects.exists()


def test_withdrawing_consent_deletes_the_profile(sync: Sync, platform: Altcraft) -> None:
    rows = subscribers(2)
    sync()
    Subscriber.objects.filter(pk=rows[0].pk).update(wants_mail=False)
    _, out, _ = sync()
    assert "1 deleted" in out
    assert emails(platform) == ["s1@example.com"]
    assert Delivery.objects.get(row=rows[0].pk).state == Delivery.State.DELETED


def test_an_outage_of_the_vault_does_not_keep_a_withdrawal_from_being_done(
    sync: Sync, platform: Altcraft, sandbox: Sandbox
) -> None:
    rows = subscribers(2)
    sync()
    Subscriber.objects.filter(pk=rows[0].pk).update(wants_mail=False)
    with sandbox.misbehave(route=DETOKENIZE, status=403):
        sync()
        sync()
    assert emails(platform) == ["s1@example.com"]


def test_consent_is_what_a_callable_or_a_tokenized_field_says(
    sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribers(1, phone="")
    subscribers(1, phone="+48 123 456 789")
    monkeypatch.setattr(SubscriberProfile, "consent", "phone")
    sync()
    assert emails(platform) == ["s1@example.com"]
    monkeypatch.setattr(SubscriberProfile, "consent", staticmethod(lambda row: not row.phone))
    sync()
    assert emails(platform) == ["s0@example.com"]


def test_a_consent_that_cannot_be_told_is_no_consent(
    sync: Sync, platform: Altcraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SubscriberProfile, "consent", staticmethod(lambda row: int(row.name)))
    subscribers(1)
    code, _, err = sync()
    assert code == 3
    assert "The mapping's consent failed with ValueError." in err
    assert platform.profiles() == []


def test_consent_that_is_given_again_adds_the_profile_again(sync: Sync, platform: Altcraft) -> None:
    (row,) = subscribers(1)
    for wants_mail, profiles in [(True, 1), (False, 0), (True, 1)]:
        Subscriber.objects.filter(pk=row.pk).update(wants_mail=wants_mail)
        assert sync()[0] == 0
        assert len(platform.profiles()) == profiles


@pytest.mark.parametrize("how", ["delete", "queryset", "raw"])
def test_deleting_a_row_deletes_its_profile(sync: Sync, platform: Altcraft, how: str) -> None:
    rows = subscribers(2)
    sync()
    queryset = Subscriber.objects.filter(pk=rows[0].pk)
    if how == "delete":
        queryset.get().delete()
    elif how == "queryset":
        queryset.delete()
    else:
        queryset._raw_delete(queryset.db)
    _, out, _ = sync()
    assert "1 deleted" in out
    assert emails(platform) == ["s1@example.com"]
    assert "0 deleted" in sync()[1]


def test_deleting_a_row_that_was_never_delivered_sends_nothing(sync: Sync, sandbox: Sandbox) -> None:
    (row,) = subscribers(1, email="no address")
    sync()
    row.delete()
    assert sync()[0] == 0
    assert sandbox.count(DELETE) == 0


def test_a_profile_that_another_row_shares_is_kept(sync: Sync, platform: Altcraft) -> None:
    first, second = subscribers(2, email="shared@example.com")
    sync()
    second.delete()
    sync()
    (profile,) = platform.profiles()
    assert profile["_fname"] == "Zoë0"
    first.delete()
    sync()
    assert platform.profiles() == []


def test_a_profile_that_is_gone_already_counts_as_deleted(sync: Sync, client: Any) -> None:
    (row,) = subscribers(1)
    sync()
    client.delete_profile(db_id=1, email="s0@example.com")
    row.delete()
    code, out, _ = sync()
    assert (code, "1 deleted" in out) == (0, True)


def test_a_rolled_back_deletion_deletes_no_profile(sync: Sync, platform: Altcraft) -> None:
    from django.db import transaction

    (row,) = subscribers(1)
    sync()
    with transaction.atomic():
        row.delete()
        transaction.set_rollback(True)
    sync()
    assert emails(platform) == ["s0@example.com"]


# Options


def test_filter_limits_the_rows(sync: Sync, platform: Altcraft) -> None:
    subscribers(1, city="Oslo")
    subscribers(1, city="Rome")
    subscribers(1, city="Bern")
    sync("--filter", "city__in=Oslo,Rome", "--filter", "wants_mail=true", "--filter", "country=null")
    assert emails(platform) == ["s0@example.com", "s1@example.com"]


def test_rows_outside_of_the_filter_keep_their_profiles(sync: Sync, platform: Altcraft) -> None:
    subscribers(2)
    sync()
    sync("--filter", "city=nowhere")
    assert len(platform.profiles()) == 2


@pytest.mark.parametrize("text", ["updated={}", "{}"], ids=["field", "mapping"])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
def test_since_limits_the_rows_to_what_changed(sync: Sync, platform: Altcraft, text: str, form: str) -> None:
    old, _ = subscribers(2)
    Subscriber.objects.filter(pk=old.pk).update(updated=timezone.now() - timedelta(days=9))
    sync("--since", text.format((timezone.now() - timedelta(days=2)).strftime(form)))
    assert emails(platform) == ["s1@example.com"]


def test_a_dry_run_counts_and_changes_nothing(sync: Sync, platform: Altcraft, sandbox: Sandbox) -> None:
    rows = subscribers(4)
    sync("--filter", f"pk__in={rows[0].pk},{rows[1].pk},{rows[2].pk}")
    rows[0].delete()
    Subscriber.objects.filter(pk=rows[1].pk).update(wants_mail=False)
    before = list(Delivery.objects.values())
    count = sandbox.count("POST")
    _, out, _ = sync("--dry-run")
    assert "1 would be sent, 1 unchanged, 1 without consent, 2 would be deleted" in out
    assert list(Delivery.objects.values()) == before
    assert sandbox.count("POST") == count


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--batch-size", "0"], "--batch-size is a number from 1 to 10000"),
        (["--filter", "nothing"], "LOOKUP=VALUE"),
        (["--filter", "nobody=1"], "Cannot resolve keyword 'nobody'"),
        (["--filter", "email=a@b.c"], "deterministic"),
        (["--since", "yesterday"], "2026-01-31"),
        (["--since", "nobody=2026-01-31"], "nobody"),
    ],
)
def test_an_option_that_cannot_be_used_is_explained(sync: Sync, arguments: list[str], reason: str) -> None:
    code, _, err = sync(*arguments)
    assert code == 1
    assert reason in err


def test_a_model_without_a_mapping_is_explained(platform: Altcraft) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match=r"tests.Person has no mapping.*Models with a mapping: .*tests.Subscriber"):
        call_command("altcraft_sync", "tests.Person")
    with pytest.raises(CommandError, match="No installed app"):
        call_command("altcraft_sync", "nobody.Person")


# When the platform refuses or fails


@pytest.mark.parametrize("code", [401, 402, 403, 404, 413, 415, 501])
def test_a_refused_request_stops_the_run_and_is_given_up(sync: Sync, sandbox: Sandbox, code: int) -> None:
    subscribers(2)
    with sandbox.misbehave(route=IMPORT_BATCH, body=f'{{"error": {code}, "error_text": "no"}}'):
        exit_code, _, err = sync()
    assert exit_code == 1
    assert f"answered profiles/import_batch with {code}" in err
    assert "Run the command again" in err
    assert not Batch.objects.exists()
    assert sync()[0] == 0


def test_a_request_refused_for_its_profiles_does_not_stop_the_others(sync: Sync, sandbox: Sandbox) -> None:
    subscribers(20)
    with sandbox.misbehave(route=IMPORT_BATCH, times=1, body='{"error": 450, "error_text": "no"}'):
        code, out, _ = sync("--batch-size", "10")
    assert code == 3
    assert "10 sent" in out and "10 refused" in out


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"drop": "lost"}, {"drop": "before"}], ids=str)
def test_a_failure_that_lasts_stops_the_run_and_the_next_goes_on_with_the_same_request(
    sync: Sync, sandbox: Sandbox, platform: Altcraft, fault: dict[str, Any]
) -> None:
    subscribers(5)
    with sandbox.misbehave(route=IMPORT_BATCH, **fault):
        assert sync()[0] == 1
    request_id = str(Batch.objects.get().pk)
    code, out, _ = sync()
    assert (code, "5 sent" in out) == (0, True)
    assert [request["request_id"] for request in platform.requests()] == [request_id]
    assert len(platform.profiles()) == 5
    assert not Batch.objects.exists()


def test_an_outage_of_the_vault_stops_the_run_and_nothing_is_sent(
    sync: Sync, sandbox: Sandbox, settings: Any, platform: Altcraft
) -> None:
    subscribers(5)
    settings.ALTR = {"default": sandbox.settings(timeout=0.5)}
    with sandbox.misbehave(route=DETOKENIZE, drop="before"):
        code, _, err = sync()
    assert code == 1
    assert "VaultConnectionError" in err or "VaultTimeout" in err
    assert platform.profiles() == []
    assert sync()[0] == 0
