"""Two vaults in one model: batches for each, side by side, and a field's way from one to the other."""

from __future__ import annotations

import pytest
from django.db import connection, migrations, models
from django.db.migrations.state import ProjectState

from django_altr import vaults
from django_altr.exceptions import ServiceUnavailable
from django_altr.fields import TokenizedField, detokenize
from tests.models import Split

pytestmark = pytest.mark.django_db


@pytest.fixture
def both(vault):
    return vaults["default"], vaults["second"]


def make(count):
    return Split.objects.bulk_create(Split(home=f"h{n}", away=f"a{n}", far=f"f{n}") for n in range(count))


def test_each_vault_gets_the_values_of_its_fields(both):
    row = Split.objects.create(home="h", away="a", far="f")
    first, second = both
    assert first.find_many([row.home_token]) == {row.home_token: "h"}
    assert second.find_many([row.away_token, row.far_token]) == {row.away_token: "a", row.far_token: "f"}
    assert first.find_many([row.away_token, row.far_token]) == {}


def test_a_save_is_one_batch_a_vault(both):
    Split.objects.create(home="h", away="a", far="f")
    assert [vault.calls for vault in both] == [[("tokenize", 1)], [("tokenize", 2)]]


def test_a_bulk_write_is_one_batch_a_vault(both):
    make(10)
    assert [vault.calls for vault in both] == [[("tokenize", 10)], [("tokenize", 20)]]


def test_reading_fields_together_is_one_batch_a_vault(both):
    make(10)
    for vault in both:
        vault.calls.clear()
    rows = list(Split.objects.order_by("pk"))
    detokenize(rows, "home", "away", "far")
    assert [(row.home, row.away, row.far) for row in rows] == [(f"h{n}", f"a{n}", f"f{n}") for n in range(10)]
    assert [vault.calls for vault in both] == [[("detokenize", 10)], [("detokenize", 20)]]


def test_a_lookup_of_one_field_asks_its_vault_only(both):
    make(1)
    for vault in both:
        vault.calls.clear()
    assert Split.objects.get().away == "a0"
    assert [vault.calls for vault in both] == [[], [("detokenize", 1)]]


def test_outage_of_one_vault_leaves_the_row_unchanged_and_the_other_readable(both):
    make(1)
    row = Split.objects.get()
    row.home, row.away = "new", "new"
    both[1].fail_with(ServiceUnavailable("down"))
    with pytest.raises(ServiceUnavailable):
        row.save()
    assert Split.objects.get().home == "h0"
    both[1].fail_with(None)
    row.save()
    assert (Split.objects.get().home, Split.objects.get().away) == ("new", "new")
    assert [count for name, count in both[0].calls if name == "tokenize"] == [1, 1]


def test_two_kinds_of_vaults(sandbox, settings):
    settings.ALTR = {"default": sandbox.settings("chain"), "second": sandbox.settings("vaulted")}
    make(3)
    assert [(row.home, row.away) for row in Split.objects.order_by("pk")] == [(f"h{n}", f"a{n}") for n in range(3)]
    row = Split.objects.first()
    assert (row.home_token.partition("_")[0], row.away_token.partition("_")[0]) == ("chain", "vaultn")


# The recipe of docs/deletion.md


def copy_to_the_new_vault(apps, schema_editor):
    Person = apps.get_model("moving", "Person")
    people = Person.objects.using(schema_editor.connection.alias).exclude(ssn=None)
    batch = []
    for person in people.prefetch_related("ssn").iterator(chunk_size=2):
        person.ssn_new = person.ssn
        batch.append(person)
        if len(batch) == 2:
            Person.objects.bulk_update(batch, ["ssn_new"])
            batch.clear()
    Person.objects.bulk_update(batch, ["ssn_new"])


@pytest.mark.django_db(transaction=True)
def test_moving_a_field_to_another_vault(both):
    old = TokenizedField(models.CharField(max_length=20, null=True))
    new = TokenizedField(models.CharField(max_length=20, null=True), vault="second")
    create = migrations.CreateModel("Person", [("id", models.BigAutoField(primary_key=True)), ("ssn", old)])
    state = run(ProjectState(), create)
    people = state.apps.get_model("moving", "Person")
    people.objects.bulk_create(people(ssn=ssn) for ssn in ["1", "2", None, "3"])
    try:
        state = run(
            state,
            migrations.AddField("Person", "ssn_new", new),
            migrations.RunPython(copy_to_the_new_vault),
            migrations.RemoveField("Person", "ssn"),
            migrations.RenameField("Person", "ssn_new", "ssn"),
        )
        moved = state.apps.get_model("moving", "Person").objects.order_by("pk")
        assert [person.ssn for person in moved] == ["1", "2", None, "3"]
        assert both[1].find_many(person.ssn_token for person in moved if person.ssn_token)
    finally:
        run(state, migrations.DeleteModel("Person"))


def run(state, *operations):
    for operation in operations:
        after = state.clone()
        operation.state_forwards("moving", after)
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("moving", editor, state, after)
        state = after
    return state
