"""Registering mappings, and the system checks of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks

from django_altr.contrib import altcraft
from django_altr.contrib.altcraft import exceptions as errors
from django_altr.contrib.altcraft.checks import check_mappings, check_settings
from django_altr.contrib.altcraft.mapping import ProfileMapping, registry
from tests.altcraft import SubscriberProfile
from tests.models import Order, Person, Subscriber

GOOD = {"db_id": 1, "fields": {"email": "email"}}


@pytest.fixture
def ids_of() -> Iterator[Any]:
    """Register a mapping with these attributes for a model; give the ids of the problems found."""
    registered: list[Any] = []

    def check(model: Any = Person, **attributes: Any) -> list[str | None]:
        altcraft.register(model)(type("Mapping", (ProfileMapping,), {**GOOD, **attributes}))
        registered.append(model)
        return [problem.id for problem in check_mappings()]

    yield check
    for model in registered:
        registry.unregister(model)


def test_the_apps_modules_are_found() -> None:
    assert isinstance(registry[Subscriber], SubscriberProfile)
    assert registry.by_label("tests.subscriber") is registry[Subscriber]


def test_other_models_are_not_listened_to() -> None:
    from django.db.models.signals import post_save, pre_delete

    from django_altr.contrib.altcraft.receivers import row_deleted, row_saved

    for signal, receiver in [(post_save, row_saved), (pre_delete, row_deleted)]:
        assert receiver in signal._live_receivers(Subscriber)[0]
        assert receiver not in signal._live_receivers(Person)[0]


def test_a_model_has_one_mapping() -> None:
    with pytest.raises(altcraft.AlreadyRegistered, match="tests.Subscriber has a mapping already"):
        altcraft.register(Subscriber)(SubscriberProfile)


def test_a_model_without_a_mapping_is_told() -> None:
    with pytest.raises(altcraft.NotRegistered, match=r"@altcraft.register\(Person\)"):
        registry[Person]
    with pytest.raises(altcraft.NotRegistered):
        registry.unregister(Person)
    with pytest.raises(altcraft.NotRegistered):
        registry.by_label("tests.Nobody")


def test_a_function_in_a_mapping_takes_the_row() -> None:
    class Mapping(ProfileMapping):
        consent = lambda row: row.age >= 18  # noqa: E731

    mapping = Mapping(Person)
    assert [mapping.has_consent(Person(age=age)) for age in (17, 18)] == [False, True]


def test_a_good_mapping_has_no_problems(ids_of: Any) -> None:
    assert run_checks(tags=["altcraft"]) == []
    assert ids_of() == []


def test_a_path_over_a_relation_is_a_field(ids_of: Any) -> None:
    fields = {"email": "person__email", "address": "address", "length": len}
    assert ids_of(Order, fields=fields, reads=["person__name"], consent="person__team") == []


@pytest.mark.parametrize(
    ("attributes", "ids"),
    [
        ({"db_id": None}, ["altr.E302"]),
        ({"db_id": True}, ["altr.E302"]),
        ({"db_id": 0}, ["altr.E302"]),
        ({"resource_id": "1"}, ["altr.E302"]),
        ({"fields": {}}, ["altr.E303", "altr.E305"]),
        ({"fields": {"email": "email", "x": "nobody"}}, ["altr.E303"]),
        ({"fields": {"email": "email", "x": "email__domain"}}, ["altr.E303"]),
        ({"fields": {"email": "email", "x": "orders__address"}}, ["altr.E303"]),
        ({"fields": {"email": "email", "x": 7}}, ["altr.E303"]),
        ({"reads": ["nobody"]}, ["altr.E303"]),
        ({"consent": "nobody"}, ["altr.E303"]),
        ({"modified": "nobody"}, ["altr.E303"]),
        ({"modified": len}, ["altr.E303"]),
        ({"matching": "profile_id"}, ["altr.E304"]),
        ({"matching": "custom"}, ["altr.E304"]),
        ({"matching": "custom", "matching_field": "crm_id"}, ["altr.E305"]),
        ({"matching": "phone"}, ["altr.E305"]),
        ({"fields": {"_fname": "name"}}, ["altr.E305"]),
        ({"using": "other"}, ["altr.E308"]),
    ],
    ids=str,
)
def test_a_bad_mapping_is_told(ids_of: Any, attributes: dict[str, Any], ids: list[str]) -> None:
    assert ids_of(**attributes) == ids


def test_delivery_on_change_needs_tasks(ids_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_altr.contrib.altcraft.checks.find_spec", lambda name: None)
    assert ids_of(on_change=True) == ["altr.E307"]


@pytest.mark.skipif("not hasattr(__import__('django.db.models').db.models, 'CompositePrimaryKey')")
def test_a_composite_primary_key_is_told(ids_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.models import CompositePrimaryKey

    monkeypatch.setattr(Person._meta, "pk", CompositePrimaryKey("name", "email"))
    assert ids_of() == ["altr.E306"]


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (None, "must be a dictionary"),
        ({}, "must be a dictionary"),
        ({"default": "https://ru.altkraft.com"}, "with URL and TOKEN"),
        ({"default": {"TOKEN": "t"}}, "URL is missing"),
        ({"default": {"URL": "http://ru.altkraft.com", "TOKEN": "t"}}, "use https"),
        ({"default": {"URL": "https://ru.altkraft.com"}}, "TOKEN must be"),
        ({"default": {"URL": "https://ru.altkraft.com", "TOKEN": "a\nb"}}, "TOKEN must be"),
        ({"default": {"URL": "https://ru.altkraft.com", "TOKEN": "t", "KEY": 1}}, "'KEY' is unknown"),
        ({"default": {"URL": "https://ru.altkraft.com", "TOKEN": "t", "OPTIONS": {"x": 1}}}, "option 'x' is unknown"),
        ({"default": {"URL": "https://ru.altkraft.com", "TOKEN": "t", "OPTIONS": {"timeout": 0}}}, "'timeout' must be"),
        ({"default": {"URL": "https://ru.altkraft.com", "TOKEN": "t", "OPTIONS": {"bearer": 1}}}, "'bearer' must be"),
    ],
    ids=str,
)
def test_bad_settings_are_told(settings: Any, entries: Any, reason: str) -> None:
    settings.ALTCRAFT = entries
    (problem,) = check_settings()
    assert problem.id == "altr.E301"
    assert reason in problem.msg
    with pytest.raises(errors.AltcraftNotConfigured, match=reason):
        altcraft.clients["default"]


def test_the_sandboxs_token_is_for_development(settings: Any) -> None:
    settings.ALTCRAFT = {"default": {"URL": "https://ru.altkraft.com", "TOKEN": "sandbox-token"}}
    assert [problem.id for problem in check_settings()] == ["altr.W301"]
    settings.DEBUG = True
    assert check_settings() == []


def test_settings_are_asked_for_only_where_a_mapping_is(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_mappings", {})
    settings.ALTCRAFT = None
    assert check_settings() == []
