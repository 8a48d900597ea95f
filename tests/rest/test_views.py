"""Views: errors of the vault, caches, search, the browsable API."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings
from rest_framework.test import APIClient

from django_altr.exceptions import (
    DataCapExceeded,
    DetokenizationBlocked,
    Forbidden,
    NotSupported,
    ServiceUnavailable,
    ValueTooLarge,
    VaultTimeout,
)
from django_altr.fields import InvalidValue
from django_altr.rest_framework import MASK, exception_handler
from tests.models import Account, Everything, Person

pytestmark = pytest.mark.urls("tests.rest.api")


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def ada(vault):
    person = Person.objects.create(name="Ada Lovelace", email="ada@example.org", ssn="815", age=36)
    vault.forget()
    return person


# The vault is down


@pytest.mark.parametrize("error", [ServiceUnavailable, VaultTimeout, Forbidden, DataCapExceeded])
def test_a_vault_that_does_not_answer_is_503_with_a_clean_body(client, ada, vault, error, caplog):
    vault.fail_with(error("the vault at vault.internal says no"))
    response = client.get("/api/revealed/")
    assert response.status_code == 503
    assert response.json() == {"detail": "Protected data is temporarily unavailable."}
    assert f"{error.__name__}: the vault at vault.internal says no" in caplog.text


def test_a_save_while_the_vault_is_down_is_503_and_leaves_the_row(client, ada, vault):
    vault.fail_with(ServiceUnavailable("down"))
    response = client.patch(f"/api/people/{ada.pk}/", {"name": "Ada King", "age": 1}, format="json")
    vault.fail_with(None)
    assert response.status_code == 503
    row = Person.objects.get()
    assert (row.name, row.age) == ("Ada Lovelace", 36)


def test_a_masked_list_works_while_the_vault_is_down(client, ada, vault):
    vault.fail_with(ServiceUnavailable("down"))
    response = client.get("/api/people/")
    assert response.status_code == 200
    assert response.json()["results"][0]["name"] == MASK


def test_a_value_over_the_vaults_limit_is_400(client, vault):
    vault.fail_with(ValueTooLarge("over 1,000 bytes"))
    response = client.post("/api/people/", {"name": "Ada", "email": "ada@example.org"}, format="json")
    assert response.status_code == 400
    assert response.json() == ["A value is too large to be stored."]


def test_a_value_that_the_base_field_cannot_write_as_text_is_400():
    response = exception_handler(InvalidValue("This value cannot be stored."), {})
    assert response.status_code == 400
    assert response.data == ["A value cannot be stored."]


@pytest.mark.parametrize("error", [DetokenizationBlocked, NotSupported])
def test_errors_of_the_program_stay_errors(client, ada, vault, error):
    vault.fail_with(error("a bug"))
    with pytest.raises(error):
        client.get("/api/revealed/")


def test_other_errors_are_answered_as_ever(client, vault):
    assert client.get("/api/people/0/").status_code == 404
    assert client.post("/api/people/", {}, format="json").json() == {
        "name": ["This field is required."],
    }


# Caches


@pytest.mark.parametrize("url", ["/api/revealed/", "/api/people/", "/api/people/0/"])
def test_no_cache_keeps_a_response(client, ada, url):
    directives = client.get(url).headers["Cache-Control"].split(", ")
    assert "no-store" in directives
    assert "private" in directives


# Search


def test_search_finds_the_exact_plaintext_of_a_deterministic_field(client, vault):
    Account.objects.create(iban="DE89370400440532013000", balance=7)
    Account.objects.create(iban="DE02120300000000202051")
    results = client.get("/api/accounts/", {"search": "DE89370400440532013000"}).json()["results"]
    assert [row["balance"] for row in results] == [7]


def test_search_finds_nothing_by_a_part_of_the_plaintext(client, vault):
    Account.objects.create(iban="DE89370400440532013000")
    assert client.get("/api/accounts/", {"search": "DE893"}).json()["results"] == []


def test_search_finds_a_reference_token_where_the_view_says_so(client, vault):
    account = Account.objects.create(iban="DE89370400440532013000")
    results = client.get("/api/accounts/", {"search": account.iban_token}).json()["results"]
    assert [row["id"] for row in results] == [account.pk]


# The browsable API


def test_the_browsable_api_shows_masks_only(ada):
    response = Client().get(f"/api/people/{ada.pk}/", headers={"Accept": "text/html"})
    page = response.content.decode()
    assert response.status_code == 200
    assert MASK in page
    assert not any(secret in page for secret in ("Lovelace", "ada@example.org", "815"))


def test_the_browsable_form_sent_back_changes_nothing_but_what_was_edited(client, ada, vault):
    form = {"name": MASK, "email": MASK, "ssn": MASK, "age": "37"}
    assert client.put(f"/api/people/{ada.pk}/", form, format="multipart").status_code == 200
    row = Person.objects.get()
    assert (row.name, row.email, row.ssn, row.age) == ("Ada Lovelace", "ada@example.org", "815", 37)


def test_the_browsable_form_of_other_types_sent_back_empty_changes_nothing(client, vault):
    row = Everything.objects.create(integer=5, boolean=True, date="1815-12-10")
    assert Client().get(f"/api/everything/{row.pk}/", headers={"Accept": "text/html"}).status_code == 200
    response = client.put(f"/api/everything/{row.pk}/", {"integer": "", "date": ""}, format="multipart")
    assert response.status_code == 200
    again = Everything.objects.get()
    assert (again.integer, again.boolean, str(again.date)) == (5, True, "1815-12-10")


def test_options_describe_the_base_type(client, vault):
    actions = client.options("/api/everything/").json()["actions"]["POST"]
    assert (actions["email"]["type"], actions["integer"]["type"]) == ("email", "integer")


@override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": "django_altr.rest_framework.exception_handler"})
def test_the_handler_is_found_by_the_setting():
    from rest_framework.settings import api_settings

    assert api_settings.EXCEPTION_HANDLER is exception_handler
