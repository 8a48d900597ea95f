"""Fixtures hold reference tokens only."""

from __future__ import annotations

import io

import pytest
from django.core import serializers
from django.core.management import call_command

from django_altr.exceptions import ServiceUnavailable
from tests.models import Everything, Named, Person, Supplier

FORMATS = ["json", "jsonl", "xml", "yaml", "python"]


@pytest.fixture
def named(vault):
    friend = Named.objects.create(code="b", secret="Canary of b")
    named = Named.objects.create(code="a", secret="Canary of a", friend=friend)
    vault.forget()
    return named


@pytest.mark.parametrize("natural", [True, False])
@pytest.mark.parametrize("format", FORMATS)
def test_fixture_round_trips_without_the_vault(vault, named, format, natural):
    vault.fail_with(ServiceUnavailable("down"))
    data = serializers.serialize(
        format, Named.objects.all(), use_natural_foreign_keys=natural, use_natural_primary_keys=natural
    )
    assert "Canary" not in str(data)
    tokens = list(Named.objects.order_by("code").values_list("secret__token", flat=True))
    Named.objects.all().delete()
    pending = []
    for each in serializers.deserialize(format, data, handle_forward_references=True):
        each.save()
        pending.append(each)
    for each in pending:
        if each.deferred_fields:
            each.save_deferred_fields()
    assert list(Named.objects.order_by("code").values_list("secret__token", flat=True)) == tokens
    vault.fail_with(None)
    assert [each.secret for each in Named.objects.order_by("code")] == ["Canary of a", "Canary of b"]
    assert Named.objects.get(code="a").friend.secret == "Canary of b"


def test_dumpdata_and_loaddata(vault, named, tmp_path):
    Supplier.objects.create(phone="1", tax_id="2")
    Everything.objects.create(char="", integer=0, json={"a": 1})
    vault.forget()
    file = tmp_path / "dump.json"
    call_command("dumpdata", "tests", output=str(file), verbosity=0)
    for model in (Named, Supplier, Everything):
        model.objects.all().delete()
    call_command("loaddata", str(file), verbosity=0)
    assert vault.backend.calls == []
    read = Everything.objects.get()
    assert (read.char, read.integer, read.json) == ("", 0, {"a": 1})
    assert Supplier.objects.get().phone == "1"
    assert Named.objects.get(code="a").secret == "Canary of a"


def test_unsaved_plaintext_is_not_serialized(vault):
    with pytest.raises(ValueError, match="Save it before serializing"):
        serializers.serialize("json", [Person(name="Canary")])


def test_serializing_loaded_values_writes_tokens(vault, named):
    named = Named.objects.get(code="a")
    assert named.secret == "Canary of a"
    out = io.StringIO()
    serializers.serialize("json", [named], stream=out)
    assert "Canary" not in out.getvalue()
    assert named.secret_token in out.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_serializing_rows_that_were_read(vault, named, format):
    read = list(Named.objects.prefetch_related("secret"))
    assert read[0].secret
    data = serializers.serialize(format, read)
    assert str(read[0].secret_token) in str(data)
    assert "Canary" not in str(data)
