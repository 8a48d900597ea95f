from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import Forbidden, TokenErased, Unauthorized, VaultConnectionError, VaultTimeout
from django_altr.signals import detokenized
from tests.models import Account, Everything, Labelled, Named, Options, Order, Person

# Django 5.2 warns at every URLField.
pytestmark = pytest.mark.filterwarnings("ignore:The default scheme")

JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def account(vault: LocMemBackend, db: None) -> Account:
    account = Account.objects.create(iban="DE89370400440532013000", note="a note")
    vault.calls.clear()
    return account


def place(obj: Any, field: str, view: str = "reveal/", admin_of: str | None = None) -> str:
    return f"/admin/tests/{admin_of or obj._meta.model_name}/tokenized/{obj._meta.label_lower}/{obj.pk}/{field}/{view}"


def reveal(client: Client, obj: Any, field: str, reason: str = "a call", **options: Any) -> Any:
    return client.post(place(obj, field, **options), {"reason": reason}, **JSON)


def test_gives_the_value_once_in_one_request(admin: Client, account: Account, vault: LocMemBackend) -> None:
    response = reveal(admin, account, "iban")
    assert response.json()["value"] == "DE89370400440532013000"
    assert vault.calls == [("detokenize", 1)]


def test_answer_must_not_be_stored(admin: Client, account: Account) -> None:
    assert "no-store" in reveal(admin, account, "iban").headers["Cache-Control"]


def test_is_logged_without_the_value(admin: Client, account: Account) -> None:
    reveal(admin, account, "iban", "caller\nasked  for it")
    entry = LogEntry.objects.get()
    assert entry.user.username == "agent"
    assert entry.get_edited_object() == account
    assert entry.change_message == "Revealed: iban. Reason: caller asked for it"
    assert "DE89" not in str(entry.__dict__)


def test_log_does_not_hold_what_str_reads(admin: Client, vault: LocMemBackend, db: None) -> None:
    person = Person.objects.create(name="Ada Lovelace")
    reveal(admin, person, "name")
    assert "Ada" not in LogEntry.objects.get().object_repr


def test_fires_the_signal(admin: Client, account: Account) -> None:
    heard: list[Any] = []

    def listen(**kwargs: Any) -> None:
        heard.append((kwargs["sender"], kwargs["fields"], kwargs["tokens"]))

    detokenized.connect(listen)
    try:
        reveal(admin, account, "note")
    finally:
        detokenized.disconnect(listen)
    assert heard == [(Account, ("note",), (account.note_token,))]


def test_without_the_permission_is_refused_and_asks_no_vault(
    log_in: Callable[..., Client], account: Account, vault: LocMemBackend
) -> None:
    response = reveal(log_in("view_account", "change_account"), account, "iban")
    assert response.status_code == 403
    assert "DE89" not in response.content.decode()
    assert vault.calls == []
    assert not LogEntry.objects.exists()


def test_permission_to_reveal_is_none_to_view(log_in: Callable[..., Client], account: Account) -> None:
    assert reveal(log_in("reveal_account"), account, "iban").status_code == 403


def test_permission_is_the_models_own(log_in: Callable[..., Client], account: Account) -> None:
    assert reveal(log_in("view_account", "reveal_person"), account, "iban").status_code == 403


def test_stranger_is_sent_to_the_log_in_page(client: Client, account: Account) -> None:
    assert "/login/" in reveal(client, account, "iban").headers["Location"]


def test_needs_the_csrf_token(log_in: Callable[..., Client], account: Account) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = log_in("superuser").cookies
    assert reveal(strict, account, "iban").status_code == 403


def test_get_reveals_nothing(admin: Client, account: Account, vault: LocMemBackend) -> None:
    page = admin.get(place(account, "iban")).content.decode()
    assert "DE89" not in page
    assert 'name="reason"' in page
    assert vault.calls == []


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(admin: Client, account: Account, method: str) -> None:
    assert getattr(admin, method)(place(account, "iban")).status_code == 405


def test_required_reason_is_required(admin: Client, account: Account, vault: LocMemBackend) -> None:
    response = reveal(admin, account, "iban", "  ")
    assert response.status_code == 400
    assert "reason" in response.json()["error"]
    assert vault.calls == []


def test_optional_reason_is_optional(admin: Client, vault: LocMemBackend, db: None) -> None:
    assert reveal(admin, Person.objects.create(name="Ada"), "name", "").json()["value"] == "Ada"
    assert LogEntry.objects.get().change_message == "Revealed: name."


def test_reason_is_not_kept_where_none_is_asked_for(admin: Client, vault: LocMemBackend, db: None) -> None:
    reveal(admin, Everything.objects.create(char="x"), "char", "no one asked")
    assert LogEntry.objects.get().change_message == "Revealed: char."


@pytest.mark.parametrize("change", ["pk", "field", "label", "plain"])
def test_unknown_places_are_404(admin: Client, account: Account, change: str) -> None:
    paths = {
        "pk": f"tests.account/{account.pk + 1}/iban",
        "field": f"tests.account/{account.pk}/nothing",
        "label": f"tests.person/{account.pk}/name",
        "plain": f"tests.account/{account.pk}/balance",
    }
    assert admin.post(f"/admin/tests/account/tokenized/{paths[change]}/reveal/", {"reason": "x"}).status_code == 404


def test_empty_value_is_404(admin: Client, vault: LocMemBackend, db: None) -> None:
    assert reveal(admin, Account.objects.create(iban="DE1", note=None), "note").status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (VaultConnectionError("no route"), 503, "cannot be reached"),
        (VaultTimeout("too slow"), 503, "cannot be reached"),
        (TokenErased(["t"]), 404, "erased"),
        (Unauthorized("bad signature"), 503, "key of this site is wrong or lacks the right"),
        (Forbidden("no right to read"), 503, "key of this site is wrong or lacks the right"),
    ],
)
def test_failing_vault_is_a_plain_notice_and_no_log_entry(
    admin: Client, account: Account, vault: LocMemBackend, error: Exception, status: int, words: str
) -> None:
    vault.fail_with(error)
    response = reveal(admin, account, "iban")
    assert response.status_code == status
    assert words in response.json()["error"]
    assert not LogEntry.objects.exists()


def test_unknown_token_is_a_plain_notice(admin: Client, account: Account, vault: LocMemBackend) -> None:
    vault.delete_many([account.iban_token])
    response = reveal(admin, account, "iban")
    assert response.status_code == 404
    assert "does not know this token" in response.json()["error"]


def test_unreadable_value_is_a_plain_notice(
    admin: Client, vault: LocMemBackend, db: None, caplog: pytest.LogCaptureFixture
) -> None:
    everything = Everything.objects.create(integer=1)
    vault._store.values[everything.integer_token] = "secret that is no number"
    with caplog.at_level(logging.DEBUG):
        response = reveal(admin, everything, "integer")
    assert response.status_code == 500
    assert "cannot be read" in response.json()["error"]
    assert "secret that" not in caplog.text


def test_value_that_was_hidden_again_keeps_its_use(admin: Client, account: Account) -> None:
    assert reveal(admin, account, "iban").json()["masked"].endswith("•• 3000")


def test_time_to_hide_is_the_admins(admin: Client, vault: LocMemBackend, db: None) -> None:
    assert reveal(admin, Person.objects.create(name="Ada"), "name").json()["hide_after"] == 7


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"boolean": False}, "No"),
        ({"integer": 1815}, "1815"),
        ({"date": "1815-12-10"}, "Dec. 10, 1815"),
        ({"json": {"a": "é"}}, '{\n  "a": "é"\n}'),
        ({"binary": b"\x00\xff"}, "00 ff"),
        ({"decimal": "1.50"}, "1.50"),
    ],
)
def test_values_are_written_for_people(
    admin: Client, vault: LocMemBackend, db: None, values: dict[str, Any], shown: str
) -> None:
    from .site import EverythingAdmin

    EverythingAdmin.readonly_fields = ["binary"]
    try:
        response = reveal(admin, Everything.objects.create(**values), next(iter(values)))
    finally:
        del EverythingAdmin.readonly_fields
    assert response.json()["value"] == shown


def test_choice_is_shown_by_its_label(admin: Client, vault: LocMemBackend, db: None) -> None:
    assert reveal(admin, Options.objects.create(level="g"), "level").json()["value"] == "Gold"


def test_field_that_the_admin_does_not_show_cannot_be_revealed(
    admin: Client, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .site import AccountAdmin

    monkeypatch.setattr(AccountAdmin, "fields", ["note"])
    monkeypatch.setattr(AccountAdmin, "list_display", ["pk"])
    monkeypatch.setattr(AccountAdmin, "list_editable", [])
    assert reveal(admin, account, "iban").status_code == 404
    assert reveal(admin, account, "note").status_code == 200


def test_value_of_an_inline_is_revealed_through_its_parent(admin: Client, vault: LocMemBackend, db: None) -> None:
    person = Person.objects.create(name="Ada")
    order = Order.objects.create(person=person, address="12 St James's Square")
    page = admin.get(f"/admin/tests/person/{person.pk}/change/").content.decode()
    assert place(order, "address", admin_of="person") in page
    assert reveal(admin, order, "address", admin_of="person").json()["value"] == "12 St James's Square"
    assert LogEntry.objects.get().get_edited_object() == order


def test_value_of_an_inline_needs_the_permissions_of_both(
    log_in: Callable[..., Client], vault: LocMemBackend, db: None
) -> None:
    order = Order.objects.create(person=Person.objects.create(name="Ada"), address="12 St James's Square")
    client = log_in("view_person", "view_order", "reveal_person")
    assert reveal(client, order, "address", admin_of="person").status_code == 403


def test_inline_decides_over_its_own_objects(
    admin: Client, vault: LocMemBackend, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .site import OrderInline

    order = Order.objects.create(person=Person.objects.create(name="Ada"), address="12 St James's Square")
    monkeypatch.setattr(OrderInline, "has_reveal_permission", lambda self, request, obj=None: False)
    assert reveal(admin, order, "address", admin_of="person").status_code == 403


def test_inline_of_the_parent_that_may_not_be_seen_is_refused(
    log_in: Callable[..., Client], vault: LocMemBackend, db: None
) -> None:
    order = Order.objects.create(person=Person.objects.create(name="Ada"), address="12 St James's Square")
    assert reveal(log_in("view_order", "reveal_order"), order, "address", admin_of="person").status_code == 404


def test_without_a_script_it_is_a_page_that_leaves_by_itself(admin: Client, account: Account) -> None:
    response = admin.post(place(account, "iban"), {"reason": "a call"}, HTTP_ACCEPT="text/html")
    assert "DE89370400440532013000" in response.content.decode()
    assert response.headers["Refresh"] == f"30; url={place(account, 'iban')}"
    assert "no-store" in response.headers["Cache-Control"]


def test_that_page_has_a_title_as_the_admin_writes_them(admin: Client, account: Account) -> None:
    page = admin.post(place(account, "note"), {"reason": "a call"}, HTTP_ACCEPT="text/html")
    assert "<h1>Note</h1>" in page.content.decode()


def test_hostile_value_is_escaped_on_that_page(admin: Client, vault: LocMemBackend, db: None) -> None:
    hostile = "<script>alert(1)</script>\"'\u202e"
    named = Named.objects.create(code="x", secret=hostile)
    page = admin.post(place(named, "secret"), HTTP_ACCEPT="text/html").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;\u202e</bdi>" in page
    assert json.loads(reveal(admin, named, "secret").content)["value"] == hostile


def test_hostile_metadata_is_escaped(admin: Client, vault: LocMemBackend, db: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(Labelled._meta.get_field("fixed"), "metadata", "<script>x</script>")
    labelled = Labelled.objects.create(fixed="v")
    page = admin.get(place(labelled, "fixed", view="")).content.decode()
    assert "<bdi>&lt;script&gt;x&lt;/script&gt;</bdi>" in page


class TestDetails:
    def test_gives_metadata_as_sent_and_the_status(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        labelled = Labelled.objects.create(fixed="v")
        vault.calls.clear()
        answer = admin.get(place(labelled, "fixed", view=""), **JSON).json()
        assert answer["metadata"] == "a file name.txt"
        assert answer["rows"] == [["Metadata", "a file name.txt"], ["Status", "active, protected, available"]]
        assert sorted(vault.calls) == [("metadata", 1), ("status", 1)]

    def test_is_for_those_who_may_view_the_object(self, log_in: Callable[..., Client], account: Account) -> None:
        assert log_in("view_person").get(place(account, "iban", view=""), **JSON).status_code == 403

    def test_failing_vault_is_told(self, admin: Client, account: Account, vault: LocMemBackend) -> None:
        vault.fail_with(VaultConnectionError("no route"))
        answer = admin.get(place(account, "iban", view=""), **JSON).json()
        assert answer["rows"] == [["Metadata and status", "The vault cannot be reached at the moment."]]

    def test_vault_without_metadata_is_told_from_its_capabilities(
        self, admin: Client, account: Account, vault: LocMemBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LocMemBackend, "supports_metadata", False)
        answer = admin.get(place(account, "iban", view=""), **JSON).json()
        assert answer["rows"][0] == ["Metadata", "This vault keeps no metadata."]
        assert vault.calls == [("status", 1)]

    def test_page_of_a_vault_without_either_offers_no_link(
        self, admin: Client, account: Account, vault: LocMemBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LocMemBackend, "supports_metadata", False)
        monkeypatch.setattr(LocMemBackend, "supports_status", False)
        page = admin.get(f"/admin/tests/account/{account.pk}/change/").content.decode()
        assert "This vault keeps no metadata." in page
        assert place(account, "iban", view="") + '"' not in page

    def test_slow_vault_is_not_waited_for(
        self, admin: Client, account: Account, monkeypatch: pytest.MonkeyPatch, sandbox: Any, settings: Any
    ) -> None:
        settings.ALTR = {"default": sandbox.settings()}
        monkeypatch.setattr("django_altr.admin.views.DETAILS_TIMEOUT", 0.2)
        # Threads of its own: what they still ask for must not reach the vault of the next test.
        with ThreadPoolExecutor(2) as threads, sandbox.misbehave(latency=1.5):
            monkeypatch.setattr("django_altr.admin.views._threads", threads)
            answer = admin.get(place(account, "iban", view=""), **JSON).json()
        assert answer["rows"] == [["Metadata and status", "The vault did not answer in time."]]
