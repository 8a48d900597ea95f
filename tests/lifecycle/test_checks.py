"""System checks, migrations and options of ``on_delete`` and ``erased``."""

from __future__ import annotations

import pytest
from django.core import checks
from django.db import models

from django_altr.backends.locmem import LocMemBackend
from django_altr.checks import check_vaults
from django_altr.conf import parse_altr_url
from django_altr.fields import TokenizedField
from django_altr.redact import Redacted
from tests.fields.test_field_checks import problems
from tests.fields.test_migrations import written

CHAR = models.CharField(max_length=10)


@pytest.fixture
def vault_of(settings, sandbox):
    def choose(kind):
        settings.ALTR = {"default": sandbox.settings(kind)}

    return choose


def test_deletion_in_a_vault_that_cannot_is_an_error(vault_of):
    vault_of("chain")
    problem = problems(TokenizedField(CHAR, on_delete="delete"))["altr.E109"]
    assert isinstance(problem, checks.Error)
    assert problem.hint


def test_deletion_in_a_vault_that_can_is_fine(vault_of):
    assert problems(TokenizedField(CHAR, on_delete="delete")) == {}
    vault_of("vaulted")
    assert problems(TokenizedField(CHAR, on_delete="delete")) == {}


@pytest.mark.parametrize(
    ("kind", "field", "fits"),
    [
        ("vaulted", lambda: models.CharField(max_length=1023), True),
        ("vaulted", lambda: models.CharField(max_length=1024), False),
        ("vaulted", lambda: models.TextField(), True),
        ("vaulted", lambda: models.TextField(max_length=5000), False),
        ("critical", lambda: models.CharField(max_length=31), True),
        ("critical", lambda: models.CharField(max_length=32), False),
        ("critical", lambda: models.EmailField(), False),
        ("critical", lambda: models.SlugField(max_length=127), True),
        ("critical", lambda: models.SlugField(max_length=127, allow_unicode=True), False),
        ("critical", lambda: models.CharField(max_length=900, choices=[("a", "A")]), True),
        ("critical", lambda: models.BinaryField(max_length=96), False),
        ("critical", lambda: models.BinaryField(max_length=93), True),
        ("critical", lambda: models.DateTimeField(), True),
        ("critical", lambda: models.GenericIPAddressField(), True),
    ],
)
def test_base_field_that_takes_too_long_values_is_a_warning(vault_of, kind, field, fits):
    vault_of(kind)
    assert ("altr.W102" not in problems(TokenizedField(field()))) is fits


def test_deterministic_values_have_a_limit_of_their_own(vault_of):
    vault_of("chain")
    assert problems(TokenizedField(models.CharField(max_length=800))) == {}
    assert "altr.W102" in problems(TokenizedField(models.CharField(max_length=800), deterministic=True))


def test_unknown_on_delete_is_refused():
    with pytest.raises(ValueError, match="'keep', 'delete'"):
        TokenizedField(on_delete="cascade")


@pytest.mark.parametrize("options", [{}, {"on_delete": "delete"}, {"erased": "(erased)"}, {"erased": None}])
def test_options_are_written_into_migrations_if_given(options):
    field = TokenizedField(CHAR, **options)
    kwargs = field.deconstruct()[3]
    assert {name: kwargs[name] for name in ("on_delete", "erased") if name in kwargs} == options
    again = written(field)
    assert (again.on_delete, again.erased) == (field.on_delete, field.erased)


def test_journal_that_cannot_be_written_is_a_warning(journal):
    assert check_vaults() == []
    journal.directory.write_text("a file is no directory")
    (problem,) = check_vaults()
    assert problem.id == "altr.W004"
    assert problem.hint


@pytest.mark.parametrize("value", [7, "", ["x"]])
def test_journal_is_a_path(value):
    params = {"BACKEND": "django_altr.backends.locmem.LocMemBackend", "OPTIONS": {"journal": value}}
    (problem,) = LocMemBackend.config_problems(Redacted(params))
    assert problem.id == "altr.E007"


def test_journal_can_be_given_in_a_url():
    assert parse_altr_url("altr-locmem://?journal=/var/lib/altr")["OPTIONS"] == {"journal": "/var/lib/altr"}
