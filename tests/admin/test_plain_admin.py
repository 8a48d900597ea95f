"""An admin class that knows nothing of tokenized fields, and the check that says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory

from django_altr.admin import TokenizedAdminMixin
from django_altr.admin.checks import check_admins
from django_altr.backends.locmem import LocMemBackend
from django_altr.forms import MaskedField
from tests.models import Order, Person, PlainTwin, Twin


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Any:
    site = admin.AdminSite(name="plain")
    monkeypatch.setattr("django_altr.admin.checks.all_sites", [site])
    return site


def test_change_form_of_a_plain_admin_masks_too(site: Any, vault: LocMemBackend, rf: RequestFactory, db: None) -> None:
    person = Person.objects.create(name="Ada", ssn="078-05-1120")
    vault.calls.clear()
    request = rf.get("/")
    request.user = User(is_superuser=True, is_active=True)
    form_class = admin.ModelAdmin(Person, site).get_form(request, person, change=True)
    assert isinstance(form_class.base_fields["ssn"], MaskedField)
    html = form_class(instance=Person.objects.get()).as_p()
    assert person.ssn_token in html
    assert "078-05" not in html
    assert vault.calls == []


class OrderInline(admin.TabularInline):
    model = Order


class MaskedOrderInline(TokenizedAdminMixin, OrderInline):
    pass


class PersonAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    inlines = [MaskedOrderInline]


def warned() -> list[tuple[str, str]]:
    return [(warning.obj.__name__, warning.id) for warning in check_admins()]


def test_plain_admin_of_a_tokenized_model_is_warned_of(site: Any) -> None:
    site.register(Twin)
    site.register(PlainTwin)
    site.register(Person, PersonAdmin)
    assert warned() == [("ModelAdmin", "altr.W201")]


def test_plain_inline_is_warned_of(site: Any) -> None:
    site.register(Person, type("Half", (TokenizedAdminMixin, admin.ModelAdmin), {"inlines": [OrderInline]}))
    assert warned() == [("OrderInline", "altr.W201")]


def test_plain_parent_of_a_masked_inline_is_warned_of(site: Any) -> None:
    inline = type("Inline", (TokenizedAdminMixin, admin.TabularInline), {"model": Order})
    site.register(PlainTwin, type("Parent", (admin.ModelAdmin,), {"inlines": [inline]}))
    assert warned() == [("Parent", "altr.W201")]


class OwnFilter(admin.AllValuesFieldListFilter):
    pass


@pytest.mark.parametrize(
    ("entry", "ids"),
    [
        ("ssn", ["altr.W202"]),
        (("ssn", admin.AllValuesFieldListFilter), ["altr.W202"]),
        (("ssn", admin.EmptyFieldListFilter), []),
        (("ssn", OwnFilter), []),
        ("team", []),
        (admin.SimpleListFilter, []),
    ],
)
def test_a_filter_that_would_list_tokens_is_warned_of(site: Any, entry: Any, ids: list[str]) -> None:
    site.register(Person, type("Filtered", (TokenizedAdminMixin, admin.ModelAdmin), {"list_filter": [entry]}))
    assert [warning.id for warning in check_admins()] == ids


def test_a_filter_by_a_tokenized_field_of_a_relation_is_warned_of(site: Any) -> None:
    site.register(Order, type("Filtered", (TokenizedAdminMixin, admin.ModelAdmin), {"list_filter": ["person__ssn"]}))
    assert "altr.W202" in [warning.id for warning in check_admins()]


def test_masked_admins_are_not_warned_of() -> None:
    from . import site

    assert site.site in list(check_admins.__globals__["all_sites"])
    assert [
        warning for warning in check_admins() if warning.obj.__module__ in (site.__name__, "testproject.shop.admin")
    ] == []
