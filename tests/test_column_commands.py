"""Columns on their way from plaintext to tokens, and back."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_altr.exceptions import ServiceUnavailable
from django_altr.testing import memory_vault
from tests.models import Account, Everything, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault():
    with memory_vault() as vault:
        yield vault


def put(model, name, *texts):
    """Put plaintext into the column, as it was there before the field was tokenized."""
    rows = [model.objects.create() for _ in texts]
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for row, text in zip(rows, texts, strict=True):
            cursor.execute(f"UPDATE {model._meta.db_table} SET {quote(name)} = %s WHERE id = %s", [text, row.pk])
    return rows


def run(command, *args, **options):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(command, *args, stdout=out, stderr=err, **options)
    finally:
        run.output = out.getvalue() + err.getvalue()
    return run.output


def test_plaintext_of_a_column_is_tokenized(vault):
    put(Everything, "char", "Ada", "Grace")
    put(Everything, "integer", "42")
    output = run("altr_tokenize", "tests.Everything")
    assert "tests.Everything.char: 2 values tokenized." in output
    assert [each.char for each in Everything.objects.order_by("pk")] == ["Ada", "Grace", None]
    assert Everything.objects.get(integer__isnull=False).integer == 42
    assert vault.metadata(Everything.objects.first().char_token) == "tests.Everything.char"


def test_tokens_stay_and_a_second_run_finds_nothing(vault):
    token = Everything.objects.create(char="Ada").char_token
    put(Everything, "char", "Grace")
    run("altr_tokenize", "tests.Everything")
    assert Everything.objects.first().char_token == token
    assert "char: 0 values tokenized" in run("altr_tokenize", "tests.Everything")


def test_named_fields_only(vault):
    put(Everything, "char", "Ada")
    run("altr_tokenize", "tests.Everything", fields=["text"])
    assert Everything.objects.get().char_token == "Ada"


def test_dry_run_changes_nothing(vault):
    put(Everything, "char", "Ada")
    assert "1 values would be tokenized" in run("altr_tokenize", "tests.Everything", dry_run=True)
    assert vault.calls == []
    assert Everything.objects.get().char_token == "Ada"


@pytest.mark.parametrize(("name", "text"), [("char", "chain_" + "0" * 64), ("integer", "canary")])
def test_value_that_could_be_anything_is_reported_and_left(vault, name, text):
    (row,) = put(Everything, name, text)
    with pytest.raises(CommandError, match="1 values were left"):
        run("altr_tokenize", "tests.Everything")
    assert f"of {row.pk}: neither a token that the vault knows" in run.output
    assert "canary" not in run.output
    assert getattr(Everything.objects.get(), f"{name}_token") == text


def test_deterministic_columns_are_tokenized(vault):
    put(Account, "owner_ssn", "1")
    run("altr_tokenize", "tests.Account", fields=["owner_ssn"])
    assert Account.objects.get(owner_ssn="1")


def test_outage_leaves_the_rest_for_later(vault):
    put(Everything, "char", "Ada", "Grace")
    vault.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable):
        run("altr_tokenize", "tests.Everything", batch_size=1)
    run("altr_tokenize", "tests.Everything", batch_size=1)
    assert [each.char for each in Everything.objects.order_by("pk")] == ["Ada", "Grace"]


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (["tests.Nothing"], {}, "no model"),
        (["nonsense"], {}, "no model"),
        (["auth.Group"], {}, "no tokenized fields"),
        (["tests.Person"], {"fields": ["age"]}, "no tokenized field age"),
        (["tests.Person"], {"batch_size": 0}, "--batch-size"),
    ],
)
def test_wrong_arguments_are_named(vault, args, options, message):
    with pytest.raises(CommandError, match=message):
        run("altr_tokenize", *args, **options)


def test_plaintext_is_written_back(vault):
    Person.objects.create(name="Ada", email="", ssn=None)
    output = run("altr_detokenize", "tests.Person", interactive=False)
    assert "tests.Person.name: 1 values written in clear." in output
    person = Person.objects.get()
    assert (person.name_token, person.email_token, person.ssn_token) == ("Ada", "", None)
    run("altr_tokenize", "tests.Person")
    assert Person.objects.get().name == "Ada"


def test_writing_back_asks_first(vault, monkeypatch):
    Person.objects.create(name="Ada")
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("altr_detokenize", "tests.Person")
    assert Person.objects.get().name == "Ada"
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    run("altr_detokenize", "tests.Person")
    assert Person.objects.get().name_token == "Ada"


def test_unknown_token_is_reported_and_left(vault):
    person = Person.objects.create(name="Ada")
    vault.delete_many([person.name_token])
    with pytest.raises(CommandError):
        run("altr_detokenize", "tests.Person", interactive=False, verbosity=2)
    assert "the vault does not know this token" in run.output
    assert Person.objects.get().name_token == person.name_token
