from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import VaultConnectionError
from django_altr.masks import MASK
from tests.models import Account, Named, Order, Person, Twin

from .reading import form_data

ACCOUNTS = "/admin/tests/account/"


@pytest.fixture
def accounts(vault: LocMemBackend, db: None) -> list[Account]:
    accounts = [Account(iban=f"DE{number}", note=f"note {number}", owner_ssn="1") for number in range(100)]
    Account.objects.bulk_create(accounts)
    vault.calls.clear()
    return accounts


def test_shows_masks_and_makes_no_call(admin: Client, vault: LocMemBackend, db: None) -> None:
    for number in range(3):
        Order.objects.create(person=Person.objects.create(name="x", ssn=f"{number}"), address="x")
    vault.calls.clear()
    page = admin.get("/admin/tests/order/").content.decode()
    assert page.count(f">{MASK}<") == 3  # person__ssn: a column through a relation
    assert vault.calls == []


def test_editable_columns_are_masked_without_a_call(
    admin: Client, accounts: list[Account], vault: LocMemBackend
) -> None:
    page = admin.get(ACCOUNTS).content.decode()
    assert page.count(f">{MASK}<") == 200
    assert not re.search(r"\bDE\d+\b|note \d", page)  # whole words: a CSRF token may hold any letters
    assert vault.calls == []


def test_empty_values_look_empty(admin: Client, vault: LocMemBackend, db: None) -> None:
    Named.objects.create(code="x", secret=None)
    assert MASK not in admin.get("/admin/tests/named/").content.decode()


def test_unchanged_list_reads_and_writes_nothing(admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
    page = admin.get(ACCOUNTS)
    response = admin.post(ACCOUNTS, {**form_data(page, **{"form-3-balance": "7"}), "_save": "Save"})
    assert response.status_code == 302, response.context["cl"].formset.errors
    assert vault.calls == []
    assert Account.objects.filter(balance=7).count() == 1


def test_value_in_the_list_is_set_blind(admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
    page = admin.get(ACCOUNTS)
    pk = form_data(page)["form-3-id"][0]
    admin.post(ACCOUNTS, {**form_data(page, **{"form-3-note": "new"}), "_save": "Save"})
    assert vault.calls == [("tokenize", 1)]
    assert Account.objects.get(pk=pk).note == "new"


def test_failing_vault_keeps_what_was_entered_in_the_list(
    admin: Client, accounts: list[Account], vault: LocMemBackend
) -> None:
    page = admin.get(ACCOUNTS)
    vault.fail_with(VaultConnectionError("no route"))
    data = {**form_data(page, **{"form-3-note": "entered", "form-4-balance": "9"}), "_save": "Save"}
    text = admin.post(ACCOUNTS, data).content.decode()
    assert "Nothing was saved." in text
    assert "entered" in text
    assert not Account.objects.filter(balance=9).exists()


def test_names_of_100_rows_cost_one_request(admin: Client, vault: LocMemBackend, db: None) -> None:
    Person.objects.bulk_create([Person(name=f"Person {number}") for number in range(100)])
    vault.calls.clear()
    page = admin.get("/admin/tests/person/").content.decode()  # each row's checkbox is labelled by str()
    assert "Person 99" in page
    assert vault.calls == [("detokenize", 100)]


def test_names_are_masked_while_the_vault_fails(admin: Client, vault: LocMemBackend, db: None) -> None:
    Person.objects.create(name="Ada")
    vault.fail_with(VaultConnectionError("no route"))
    response = admin.get("/admin/tests/person/")
    assert response.status_code == 200
    assert "The vault cannot be reached at the moment." in response.content.decode()


def test_columns_cannot_be_sorted_by(admin: Client, vault: LocMemBackend, db: None) -> None:
    Order.objects.create(person=Person.objects.create(name="x", ssn="1"))
    assert "?o=2" not in admin.get("/admin/tests/order/").content.decode()


class TestSearch:
    def test_by_reference_token(self, admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
        found = admin.get(ACCOUNTS, {"q": accounts[7].note_token}).context["cl"].result_list
        assert [each.pk for each in found] == [accounts[7].pk]
        assert vault.calls == []

    def test_by_exact_plaintext_of_a_deterministic_field(
        self, admin: Client, accounts: list[Account], vault: LocMemBackend
    ) -> None:
        found = admin.get(ACCOUNTS, {"q": " DE7 "}).context["cl"].result_list
        assert [each.pk for each in found] == [accounts[7].pk]
        assert vault.calls == [("tokenize", 1)]

    def test_part_of_a_plaintext_finds_nothing(self, admin: Client, accounts: list[Account]) -> None:
        assert not admin.get(ACCOUNTS, {"q": "DE"}).context["cl"].result_list

    def test_plaintext_of_other_fields_is_not_searched(self, admin: Client, accounts: list[Account]) -> None:
        assert not admin.get(ACCOUNTS, {"q": "note 7"}).context["cl"].result_list

    def test_plain_fields_are_searched_as_ever(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        red, blue = (Person.objects.create(name="x", ssn="1", team=team) for team in ("red", "blue"))
        assert list(admin.get("/admin/tests/person/", {"q": "BLU"}).context["cl"].result_list) == [blue]
        found = admin.get("/admin/tests/person/", {"q": red.ssn_token}).context["cl"].result_list
        assert list(found) == [red]

    def test_nothing_searched_finds_everything(self, admin: Client, accounts: list[Account]) -> None:
        assert len(admin.get(ACCOUNTS, {"q": " "}).context["cl"].result_list) == 100

    def test_there_is_a_search_box_without_search_fields(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        named = Named.objects.create(code="x", secret="s")
        Named.objects.create(code="y", secret="t")
        page = admin.get("/admin/tests/named/", {"q": named.secret_token})
        assert 'id="searchbar"' in page.content.decode()
        assert list(page.context["cl"].result_list) == [named]

    def test_failing_vault_is_told(self, admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
        vault.fail_with(VaultConnectionError("no route"))
        page = admin.get(ACCOUNTS, {"q": "DE7"}).content.decode()
        assert "The vault cannot be reached: iban was not searched." in page

    def test_autocomplete_finds_by_token(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        person = Person.objects.create(name="Ada", ssn="1")
        query = {"app_label": "tests", "model_name": "order", "field_name": "person", "term": person.ssn_token}
        answer = admin.get("/admin/autocomplete/", query).json()
        assert [each["id"] for each in answer["results"]] == [str(person.pk)]


class TestRevealSelected:
    def post(self, client: Client, objects: list[Account], **data: Any) -> Any:
        chosen = {"action": "reveal_selected", "_selected_action": [each.pk for each in objects], "index": "0"}
        return client.post(ACCOUNTS, {**chosen, **data})

    def test_asks_first(self, admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
        page = self.post(admin, accounts[:3]).content.decode()
        assert "Values of 3 selected objects" in page
        assert 'name="reason"' in page
        assert vault.calls == []

    def test_shows_the_values_of_one_batch(self, admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
        response = self.post(admin, accounts, fields=["iban", "note"], reason="audit", output="page")
        page = response.content.decode()
        assert "DE99" in page
        assert "note 99" in page
        assert vault.calls == [("detokenize", 200)]
        assert "no-store" in response.headers["Cache-Control"]
        assert response.headers["Refresh"] == f"30; url={ACCOUNTS}"

    def test_logs_each_object(self, admin: Client, accounts: list[Account]) -> None:
        self.post(admin, accounts[:2], fields=["iban", "note"], reason="audit", output="page")
        messages = LogEntry.objects.values_list("object_id", "change_message")
        assert set(messages) == {(str(each.pk), "Revealed: iban, note. Reason: audit") for each in accounts[:2]}

    def test_exports_a_csv_file_and_logs_it(self, admin: Client, accounts: list[Account]) -> None:
        response = self.post(admin, accounts[:2], fields=["iban"], reason="audit", output="csv")
        rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
        assert rows == [["id", "iban"], *([str(each.pk), each.iban] for each in reversed(accounts[:2]))]
        assert response.headers["Content-Disposition"] == 'attachment; filename="account.csv"'
        assert "no-store" in response.headers["Cache-Control"]
        assert LogEntry.objects.first().change_message == "Exported revealed values: iban. Reason: audit"

    @pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_file_holds_no_formula(self, admin: Client, vault: LocMemBackend, db: None, formula: str) -> None:
        account = Account.objects.create(iban="DE1", note=formula)
        response = self.post(admin, [account], fields=["note"], reason="audit", output="csv")
        text = response.content.decode("utf-8-sig")
        assert next(row for row in csv.reader(io.StringIO(text, newline="")) if row[0] != "id")[1] == f"'{formula}"

    def test_file_has_values_of_every_type(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        twins = [Twin.objects.create(number=-5, data={"a": "é"}), Twin.objects.create()]
        data = {"action": "reveal_selected", "_selected_action": [twin.pk for twin in twins]}
        chosen = {"fields": ["number", "data"], "output": "csv"}
        text = admin.post("/admin/tests/twin/", {**data, **chosen}).content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
        assert sorted(row[1:] for row in rows) == [["", ""], ["-5", '{"a": "é"}'], ["number", "data"]]

    def test_needs_fields_and_a_reason(self, admin: Client, accounts: list[Account], vault: LocMemBackend) -> None:
        page = self.post(admin, accounts[:2], fields=["iban"], output="page").content.decode()
        assert "Say why" in page
        assert 'value="iban" checked' in page
        assert "Choose at least one field" in self.post(admin, accounts, reason="x", output="csv").content.decode()
        assert vault.calls == []

    def test_is_not_offered_without_the_permission(
        self, log_in: Callable[..., Client], accounts: list[Account], vault: LocMemBackend
    ) -> None:
        client = log_in("view_account", "change_account")
        assert "reveal_selected" not in client.get(ACCOUNTS).content.decode()
        response = self.post(client, accounts, fields=["iban"], reason="audit", output="csv")
        assert not re.search(r"\bDE1\b", response.content.decode())
        assert vault.calls == []

    def test_permission_of_each_object_is_asked(
        self, admin: Client, accounts: list[Account], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from .site import AccountAdmin

        monkeypatch.setattr(AccountAdmin, "has_reveal_permission", lambda self, request, obj=None: obj is None)
        assert self.post(admin, accounts, fields=["iban"], reason="audit", output="csv").status_code == 403

    def test_failing_vault_is_told_and_nothing_logged(
        self, admin: Client, accounts: list[Account], vault: LocMemBackend
    ) -> None:
        vault.fail_with(VaultConnectionError("no route"))
        page = self.post(admin, accounts, fields=["iban"], reason="audit", output="csv").content.decode()
        assert "The vault cannot be reached at the moment." in page
        assert 'value="audit"' in page
        assert not LogEntry.objects.exists()

    def test_lost_value_does_not_hide_the_others(
        self, admin: Client, accounts: list[Account], vault: LocMemBackend
    ) -> None:
        vault.delete_many([accounts[0].iban_token])
        page = self.post(admin, accounts[:2], fields=["iban"], reason="audit", output="page").content.decode()
        assert "DE1" in page
        assert "does not know this token" in page

    def test_objects_of_all_pages_are_revealed(
        self, admin: Client, accounts: list[Account], vault: LocMemBackend
    ) -> None:
        Account.objects.bulk_create([Account(iban=f"FR{number}", note="x") for number in range(1100)])
        vault.calls.clear()
        page = self.post(admin, accounts[:1], select_across="1")
        assert "Values of 1200 selected objects" in page.content.decode()
        data = {**form_data(page), "fields": ["iban"], "reason": "audit", "output": "csv"}
        text = admin.post(ACCOUNTS, data).content.decode()
        assert text.count("\r\n") == 1201
        assert vault.calls == [("detokenize", 1024), ("detokenize", 176)]

    def test_number_of_objects_is_bounded(
        self, admin: Client, accounts: list[Account], vault: LocMemBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from .site import AccountAdmin

        monkeypatch.setattr(AccountAdmin, "reveal_max_objects", 50)
        response = self.post(admin, accounts, fields=["iban"], reason="audit", output="csv")
        assert response.status_code == 302
        assert vault.calls == []

    def test_hostile_values_are_escaped(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        account = Account.objects.create(iban="<script>alert(1)</script>", note="x")
        page = self.post(admin, [account], fields=["iban"], reason="audit", output="page").content.decode()
        assert '<bdi class="altr-value">&lt;script&gt;' in page
