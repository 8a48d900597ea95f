"""System checks of the field's options."""

from __future__ import annotations

import pytest
from django.core import checks
from django.db import models
from django.db.models import UniqueConstraint
from django.test.utils import isolate_apps

from django_altr.fields import TokenizedField

CHAR = models.CharField(max_length=10)


def problems(field, **meta):
    with isolate_apps("tests"):
        options = type("Meta", (), {"app_label": "tests", **meta})
        model = type("Checked", (models.Model,), {"__module__": __name__, "secret": field, "Meta": options})
        return {problem.id: problem for problem in model.check()}


def test_usual_field_is_fine():
    assert problems(TokenizedField(CHAR)) == {}
    assert problems(TokenizedField(models.CharField(max_length=9, unique=True), deterministic=True)) == {}
    assert problems(TokenizedField(CHAR, db_index=True)) == {}


def repeat_the_value(instance, field):
    return f"customer {instance.secret}"


def label_of_the_row(instance, field):
    return f"customer {instance.pk}"


def fail(instance, field):
    raise RuntimeError


@pytest.mark.parametrize(
    ("field", "id"),
    [
        (lambda: TokenizedField(CHAR, metadata=repeat_the_value), "altr.E111"),
        (lambda: TokenizedField(models.IntegerField(), metadata=repeat_the_value), "altr.E111"),
        (lambda: TokenizedField(models.FileField()), "altr.E101"),
        (lambda: TokenizedField(TokenizedField(CHAR)), "altr.E101"),
        (lambda: TokenizedField(models.CharField(max_length=9, primary_key=True)), "altr.E102"),
        (lambda: TokenizedField(models.IntegerField(db_default=1)), "altr.E103"),
        (lambda: TokenizedField(models.CharField(max_length=9, unique_for_date="on")), "altr.E104"),
        (lambda: TokenizedField(models.CharField(max_length=9, unique=True)), "altr.E105"),
        (lambda: TokenizedField(CHAR, vault="nowhere"), "altr.E106"),
        (lambda: TokenizedField(CHAR, max_length=20), "altr.E108"),
        (lambda: TokenizedField(models.CharField(max_length=-1)), "fields.E121"),
    ],
)
def test_option_that_means_nothing_is_an_error_with_a_hint(field, id):
    problem = problems(field())[id]
    assert isinstance(problem, checks.Error)
    assert problem.hint or id.startswith("fields.")


@pytest.mark.parametrize("metadata", [label_of_the_row, fail, "a label", None])
def test_metadata_without_the_value_is_fine(metadata):
    assert problems(TokenizedField(CHAR, metadata=metadata)) == {}


def test_relation_is_no_base_field():
    field = TokenizedField(models.ForeignKey("tests.Person", models.CASCADE))
    assert "altr.E101" in problems(field)


@pytest.mark.parametrize(
    "meta",
    [
        {"unique_together": [("secret",)]},
        {"constraints": [UniqueConstraint(fields=["secret"], name="unique_secret")]},
    ],
)
def test_unique_constraint_needs_a_deterministic_field(meta):
    assert "altr.E105" in problems(TokenizedField(CHAR), **meta)
    assert problems(TokenizedField(CHAR, deterministic=True), **meta) == {}


def test_ordering_by_tokens_is_a_warning():
    problem = problems(TokenizedField(CHAR), ordering=["-secret"])["altr.W101"]
    assert isinstance(problem, checks.Warning)


def test_every_check_is_documented():
    from pathlib import Path

    import django_altr

    root = Path(django_altr.__file__).parent
    documented = (root.parent / "docs" / "checks.md").read_text()
    for number in (101, 102, 103, 104, 105, 106, 107, 108, 109, 111):
        assert f"altr.E{number}" in documented
    assert "altr.W101" in documented
