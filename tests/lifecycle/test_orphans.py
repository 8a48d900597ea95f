"""The journal, and ``altr_orphans``: what no row holds is listed, and deleted after confirmation."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import subprocess
import sys
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from django_altr import vaults
from django_altr.exceptions import ServiceUnavailable
from django_altr.lifecycle.journal import DELETED, FAILED, MADE, RELEASED, Journal
from tests.models import Account, Bare, Person, Wallet
from tests.sandbox_fixture import ROOT

pytestmark = pytest.mark.django_db
commits = pytest.mark.django_db(transaction=True)


def orphans(*args, min_age=0.0, **options):
    output = StringIO()
    call_command("altr_orphans", *args, f"--min-age={min_age}", stdout=output, **options)
    return output.getvalue()


def roll_back(**values):
    """Make tokens that no row holds; return them."""
    with transaction.atomic():
        person = Person.objects.create(**{"name": "Ada", "email": "", **values})
        transaction.set_rollback(True)
    return person.name_token


def holds(token):
    return bool(vaults["default"].find_many([token]))


# The journal


def test_new_tokens_are_recorded_with_field_and_time_and_no_plaintext(journal):
    before = time.time()
    person = Person.objects.create(name="Ada Lovelace", email="")
    (event,) = journal.events().values()
    assert (event.token, event.operation, event.field) == (person.name_token, MADE, "tests.Person.name")
    assert before <= event.at <= time.time()
    assert b"Lovelace" not in b"".join(path.read_bytes() for path in journal.directory.iterdir())


def test_record_survives_the_rollback(journal):
    assert roll_back() in journal.events()


def test_record_is_written_before_the_statement(journal, monkeypatch):
    seen = []
    monkeypatch.setattr(Person, "_do_insert", lambda *args, **kwargs: seen.extend(journal.events()) or [])
    Person(name="Ada", email="").save()
    assert len(seen) == 1


def test_replaced_and_deleted_tokens_are_recorded_whatever_the_field_keeps(journal):
    person = Person.objects.create(name="Ada", email="")
    old = person.name_token
    person.name = "Grace"
    person.save()
    Person.objects.all().delete()
    assert [journal.events()[token].operation for token in (old, person.name_token)] == [RELEASED, RELEASED]


def test_a_batch_is_one_record(journal):
    Bare.objects.bulk_create(Bare(value=str(number)) for number in range(100))
    (path,) = journal.directory.iterdir()
    assert len([line for line in path.read_text().splitlines() if line]) == 1


def test_files_are_private(journal):
    roll_back()
    (path,) = journal.directory.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.directory.stat().st_mode) == 0o700


def test_half_a_line_spoils_no_other(journal):
    roll_back()
    (path,) = journal.directory.iterdir()
    with path.open("a") as file:
        file.write('\n{"op":"made","tokens":["chain_')
    journal.record(MADE, {"tests.Person.name": ["chain_2"]})
    assert len(journal.events()) == 2


def test_journal_that_cannot_be_written_stops_no_save(journal, caplog):
    journal.directory.parent.mkdir(exist_ok=True)
    journal.directory.write_text("a file is no directory")
    with caplog.at_level(logging.ERROR, "django_altr"):
        Person.objects.create(name="Ada", email="")
    assert Person.objects.get().name == "Ada"
    assert "The journal of the vault 'default' cannot be written" in caplog.text


def test_other_vaults_keep_theirs_apart(journal):
    Journal(journal.directory, "de/fault").record(MADE, {"x.Y.z": ["chain_1"]})
    Journal(journal.directory, "default-2").record(MADE, {"x.Y.z": ["chain_2"]})
    assert journal.events() == {}


def test_without_the_option_nothing_is_recorded(vault, tmp_path):
    roll_back()
    with pytest.raises(CommandError, match="No vault keeps a journal"):
        orphans()
    with pytest.raises(CommandError, match="The vault 'default' keeps no journal"):
        orphans("--vault=default")
    with pytest.raises(CommandError, match="'nowhere'"):
        orphans("--vault=nowhere")


# The command


def test_lists_what_no_row_holds(journal):
    kept = Person.objects.create(name="Grace", email="")
    token = roll_back()
    listed = orphans()
    assert token in listed
    assert "made, never stored" in listed
    assert "tests.Person.name" in listed
    assert kept.name_token not in listed
    assert "default: 1 orphan\n" in listed
    assert holds(token)


def test_lists_replaced_and_deleted_values(journal):
    person = Person.objects.create(name="Ada", email="")
    old = person.name_token
    Person.objects.update(name="Grace")
    new = Person.objects.values_list("name__token", flat=True).get()
    assert "replaced or deleted" in orphans()
    assert old in orphans()
    assert new not in orphans()


def test_what_is_young_may_be_in_flight(journal):
    token = roll_back()
    assert token not in orphans(min_age=60)
    call_command("altr_orphans", stdout=(output := StringIO()))
    assert "0 orphans" in output.getvalue()


def test_deletes_without_asking_if_told_so(journal):
    token = roll_back()
    kept = Person.objects.create(name="Grace", email="")
    assert "1 deleted" in orphans("--delete", "--no-input")
    assert not holds(token)
    assert holds(kept.name_token)
    assert "0 orphans" in orphans()


@pytest.mark.parametrize(("answer", "deleted"), [("y", True), ("yes", True), ("", False), ("n", False)])
def test_deletes_after_confirmation_only(journal, monkeypatch, answer, deleted):
    monkeypatch.setattr("builtins.input", lambda question: answer)
    token = roll_back()
    orphans("--delete")
    assert holds(token) is not deleted


def test_never_deletes_a_token_of_a_copy(journal):
    person = Person.objects.create(name="Ada", email="")
    token = person.name_token
    copy = Person.objects.get()
    copy.pk, copy._state.adding = None, True
    copy.save()
    person.delete()
    assert "0 orphans" in orphans("--delete", "--no-input")
    assert Person.objects.get().name == "Ada"
    assert holds(token)


def test_never_deletes_a_token_that_came_back_after_it_was_listed(journal, monkeypatch):
    token = roll_back()

    def store_it(question):
        Person.objects.bulk_create([restored := Person(email="", name="other")])
        restored.name_token = token
        Person.objects.filter(pk=restored.pk).update(name=vaults_token(token))
        return "y"

    monkeypatch.setattr("builtins.input", store_it)
    orphans("--delete")
    assert holds(token)


def vaults_token(token):
    from django_altr.fields.cells import ValueToken

    return ValueToken(token, Person._meta.get_field("name"))


def test_what_a_lookup_wrote_is_an_orphan(journal):
    assert not Account.objects.filter(iban="DE-never-stored").exists()
    assert "tests.Account.iban" in orphans()
    orphans("--delete", "--no-input")
    assert vaults["default"]._store.values == {}


def test_check_exits_with_an_error_if_orphans_remain(journal):
    roll_back()
    with pytest.raises(CommandError, match="1 orphans remain"):
        orphans("--check")
    orphans("--check", "--delete", "--no-input")


def test_says_nothing_if_told_so(journal):
    roll_back()
    assert orphans(verbosity=0) == ""


def test_outage_is_an_error_and_can_be_repeated(journal):
    token = roll_back()
    vaults["default"].fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(CommandError, match="Not all orphans were deleted: down"):
        orphans("--delete", "--no-input")
    orphans("--delete", "--no-input")
    assert not holds(token)


@commits
def test_finishes_deletions_that_failed(journal):
    wallet = Wallet.objects.create(card="4111")
    vaults["default"].fail_with(ServiceUnavailable("down"), times=1)
    wallet.delete()
    vaults["default"].fail_with(None)
    assert journal.events()[wallet.card_token].operation == FAILED
    assert "its deletion failed" in orphans()
    orphans("--delete", "--no-input")
    assert not holds(wallet.card_token)


@commits
def test_what_was_deleted_after_commit_is_recorded(journal):
    wallet = Wallet.objects.create(card="4111")
    wallet.delete()
    assert journal.events()[wallet.card_token].operation == DELETED
    assert "0 orphans" in orphans()


@commits
def test_compaction_keeps_orphans_and_drops_what_is_settled(journal, monkeypatch):
    token = roll_back()
    kept = Person.objects.create(name="Grace", email="")
    wallet = Wallet.objects.create(card="4111")
    wallet.delete()
    close_files(journal, monkeypatch)
    orphans()
    assert set(journal.events()) == {token}
    assert token in orphans()
    (path,) = journal.directory.iterdir()
    assert "compacted" in path.name
    kept.delete()
    assert kept.name_token in orphans()


def test_compaction_leaves_the_files_of_this_hour_alone(journal):
    roll_back()
    before = [path.read_bytes() for path in journal.directory.iterdir()]
    orphans()
    assert [path.read_bytes() for path in journal.directory.iterdir()] == before


def close_files(journal, monkeypatch):
    monkeypatch.setattr(Journal, "_hour", staticmethod(lambda: "29990101T00"))
    for path in journal.directory.iterdir():
        os.utime(path, (time.time() - 7200, time.time() - 7200))


@pytest.mark.parametrize("backend", ["chain", "vaulted"])
def test_values_stored_before_their_neighbours_failed_are_recorded(journal, sandbox, settings, tmp_path, backend):
    directory = str(tmp_path / "journal")
    settings.ALTR = {"default": sandbox.settings(backend, retries=0, max_workers=1, journal=directory)}
    size = vaults["default"].max_values
    rows = [Bare(value="x" * 10) for _ in range(size + 1)]
    rows[-1].value = "y" * 10
    with sandbox.misbehave(status=503, skip=1), pytest.raises(ServiceUnavailable):
        Bare.objects.bulk_create(rows)
    assert len(journal.events()) == size


CRASH = """
import django, os, signal
django.setup()
from django.db import connection
from tests.models import Person
with connection.schema_editor() as editor:
    editor.create_model(Person)
Person._do_insert = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
Person(name="Ada", email="").save()
"""


@pytest.mark.slow
def test_record_survives_kill_9(tmp_path):
    settings = tmp_path / "crash_settings.py"
    settings.write_text(
        "from tests.settings import *\n"
        f"ALTR = {{'default': {{**ALTR['default'], 'OPTIONS': {{'journal': {str(tmp_path / 'journal')!r}}}}}}}\n"
        "ALTR['second'] = {'BACKEND': ALTR['default']['BACKEND']}\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "crash_settings", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", CRASH], cwd=ROOT, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    (event,) = Journal(tmp_path / "journal", "default").events().values()
    assert event.operation == MADE


def test_every_line_is_json(journal):
    roll_back()
    (path,) = journal.directory.iterdir()
    (line,) = [line for line in path.read_text().splitlines() if line]
    assert set(json.loads(line)) == {"op", "vault", "field", "at", "tokens"}


def write_plaintext_into(column, text):
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE tests_person SET {column} = %s", [text])


def test_plaintext_of_a_column_that_is_not_tokenized_yet_is_not_recorded(journal):
    Person.objects.create(name="Ada", email="")
    write_plaintext_into("name", "plaintext-canary")
    Person.objects.update(name="Grace")
    write_plaintext_into("name", "plaintext-canary")
    Person.objects.all().delete()
    assert b"canary" not in b"".join(path.read_bytes() for path in journal.directory.iterdir())


def test_table_that_cannot_be_searched_stops_the_deletion(journal, monkeypatch):
    token = roll_back()

    def fail(*args):
        raise OperationalError("the server is gone")

    monkeypatch.setattr("django_altr.lifecycle.holders._in_column", fail)
    with pytest.raises(CommandError, match="Not every table could be searched"):
        orphans("--delete", "--no-input")
    assert holds(token)


def test_vault_that_cannot_delete_lists_and_refuses(sandbox, settings, tmp_path):
    settings.ALTR = {"default": sandbox.settings("chain", journal=str(tmp_path / "journal"))}
    token = roll_back()
    assert token in orphans()
    with pytest.raises(CommandError, match="cannot delete tokens"):
        orphans("--delete", "--no-input")
    assert holds(token)
