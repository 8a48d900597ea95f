"""Migrations: stable, reversible, and never a token for plaintext or the other way round."""

from __future__ import annotations

import pytest
from django.core.exceptions import FieldError
from django.db import connection, migrations, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

from django_altr.fields import TokenizedField
from tests.models import label_of

FIELDS = [
    TokenizedField(),
    TokenizedField(models.CharField(max_length=10)),
    TokenizedField(models.CharField("a name", max_length=10, null=True, blank=True, default="x", help_text="h")),
    TokenizedField(models.CharField(max_length=10), null=True, default=""),
    TokenizedField(models.CharField(max_length=3, choices=[("a", "A")], unique=True), deterministic=True),
    TokenizedField(models.DecimalField(max_digits=5, decimal_places=2), vault="other", metadata=None),
    TokenizedField(models.JSONField(default=dict), metadata=label_of, max_length=100),
    TokenizedField(models.DateTimeField(auto_now=True, db_index=True), metadata="fixed", db_column="at"),
]


def written(field):
    text, imports = MigrationWriter.serialize(field)
    scope: dict = {}
    exec("\n".join(imports), scope)
    return eval(text, scope)


@pytest.mark.parametrize("field", FIELDS, ids=range(len(FIELDS)))
def test_field_is_written_and_read_back(field):
    again = written(field)
    assert MigrationWriter.serialize(again) == MigrationWriter.serialize(field)
    for option in ("null", "blank", "default", "choices", "help_text", "vault", "metadata", "deterministic"):
        assert getattr(again, option) == getattr(field, option)
    assert again._verbose_name == field._verbose_name
    assert again.base_field.deconstruct()[1:] == field.base_field.deconstruct()[1:]


def test_import_path_is_the_public_one():
    assert FIELDS[0].deconstruct()[1] == "django_altr.fields.TokenizedField"
    assert MigrationWriter.serialize(FIELDS[0].clone()) == MigrationWriter.serialize(FIELDS[0])


def state_with(field, name="secret"):
    state = ProjectState()
    fields = [("id", models.BigAutoField(primary_key=True))] + ([(name, field)] if field else [])
    migrations.CreateModel("Thing", fields).state_forwards("things", state)
    return state


def changes(before, after):
    detected = MigrationAutodetector(before, after)._detect_changes()
    return [operation for each in detected.get("things", []) for operation in each.operations]


@pytest.mark.parametrize("field", FIELDS, ids=range(len(FIELDS)))
def test_unchanged_field_makes_no_migration(field):
    assert changes(state_with(field), state_with(written(field))) == []


def test_changed_base_field_makes_a_migration():
    (operation,) = changes(state_with(FIELDS[1]), state_with(TokenizedField(models.CharField(max_length=11))))
    assert isinstance(operation, migrations.AlterField)


def test_operations_are_squashed():
    operations = [
        migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("Thing", "secret", FIELDS[0].clone()),
        migrations.AlterField("Thing", "secret", FIELDS[1].clone()),
    ]
    (one,) = MigrationOptimizer().optimize(operations, "things")
    assert MigrationWriter.serialize(dict(one.fields)["secret"]) == MigrationWriter.serialize(FIELDS[1])


class Table:
    """A table that migrates, outside of the test models."""

    def __init__(self, field):
        self.state = ProjectState()
        fields = [("id", models.BigAutoField(primary_key=True)), ("secret", field), ("n", models.IntegerField())]
        self.run(migrations.CreateModel("Thing", fields))

    def run(self, operation, collect_sql=False):
        after = self.state.clone()
        operation.state_forwards("things", after)
        with connection.schema_editor(collect_sql=collect_sql) as editor:
            operation.database_forwards("things", editor, self.state, after)
        self.state = after

    @property
    def model(self):
        return self.state.apps.get_model("things", "Thing")

    def column(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM things_thing ORDER BY id")
            return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def table(transactional_db, vault):
    tables = []

    def make(field):
        tables.append(Table(field))
        return tables[-1]

    yield make
    for each in tables:
        with connection.schema_editor() as editor:
            editor.delete_model(each.model)


def test_historical_models_tokenize(vault, table):
    model = table(TokenizedField(models.CharField(max_length=20))).model
    thing = model.objects.create(secret="Ada", n=1)
    model.objects.bulk_create([model(secret="Grace", n=2)])
    assert vault.is_token(thing.secret_token)
    assert [each.secret for each in model.objects.order_by("id")] == ["Ada", "Grace"]


def test_plain_field_becomes_tokenized_and_keeps_its_column(vault, table):
    things = table(models.CharField(max_length=20))
    things.model.objects.create(secret="Ada", n=1)
    things.run(migrations.AlterField("Thing", "secret", TokenizedField(models.CharField(max_length=20))))
    assert things.column() == ["Ada"]

    def tokenize(apps, editor):
        for thing in apps.get_model("things", "Thing").objects.all():
            thing.secret = str(thing.secret_token)
            thing.save()

    things.run(migrations.RunPython(tokenize))
    (token,) = things.column()
    assert vault.is_token(token)
    assert things.model.objects.get().secret == "Ada"


def test_tokenized_field_becomes_plain_and_keeps_its_column(vault, table):
    things = table(TokenizedField(models.CharField(max_length=20)))
    token = things.model.objects.create(secret="Ada", n=1).secret_token
    things.run(migrations.AlterField("Thing", "secret", models.CharField(max_length=255)))
    assert things.column() == [token]
    assert things.model.objects.get().secret == token


def test_other_fields_migrate_beside_it(vault, table):
    things = table(TokenizedField(models.CharField(max_length=20, default="x")))
    things.model.objects.create(n=1)
    things.run(migrations.AlterField("Thing", "n", models.CharField(max_length=5)))
    things.run(migrations.RenameField("Thing", "n", "m"))
    assert things.model.objects.get().secret == "x"


def test_renamed_field_keeps_its_values(vault, table):
    things = table(TokenizedField(models.CharField(max_length=20)))
    things.model.objects.create(secret="Ada", n=1)
    things.run(migrations.RenameField("Thing", "secret", "hidden"))
    assert things.model.objects.get().hidden == "Ada"
    things.run(migrations.RenameField("Thing", "hidden", "secret"))


def test_nullable_field_is_added(vault, table):
    things = table(models.IntegerField(null=True))
    things.model.objects.create(n=1)
    things.run(migrations.AddField("Thing", "more", TokenizedField(models.CharField(max_length=9, null=True))))
    assert things.model.objects.get().more is None
    things.run(migrations.RemoveField("Thing", "more"))


@pytest.mark.parametrize("collect_sql", [False, True])
@pytest.mark.parametrize("null", [False, True])
def test_field_with_a_default_is_refused_for_rows_that_exist(vault, table, collect_sql, null):
    things = table(models.IntegerField(null=True))
    field = TokenizedField(models.CharField(max_length=9, default="canary", null=null))
    with pytest.raises(FieldError, match="all rows would share one token. Add it with null=True") as caught:
        things.run(migrations.AddField("Thing", "more", field), collect_sql)
    assert "canary" not in str(caught.value)
    assert vault.writes == []


@pytest.mark.skipif(connection.vendor != "mysql", reason="Collations of MySQL and MariaDB ignore case.")
def test_tokens_are_compared_with_case(vault, table):
    model = table(TokenizedField(models.CharField(max_length=20))).model
    model.objects.create(secret_token="chain_" + "a" * 64, n=1)
    assert not model.objects.filter(secret__token="chain_" + "A" * 64).exists()
