"""What surrounds the change form: inlines, copies, history, deletion, and what is written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.test import Client

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import VaultConnectionError
from django_altr.masks import MASK
from tests.models import Named, Options, Order, Person, Remark

from .reading import form_data


@pytest.fixture
def person(vault: LocMemBackend, db: None) -> Person:
    person = Person.objects.create(name="Ada Lovelace", email="ada@example.com", ssn="078-05-1120", team="red")
    Order.objects.create(person=person, address="12 St James's Square")
    Order.objects.create(person=person, address="Ockham Park")
    vault.calls.clear()
    return Person.objects.get(pk=person.pk)


def change(person: Person) -> str:
    return f"/admin/tests/person/{person.pk}/change/"


class TestInlines:
    def test_unchanged_rows_read_and_write_nothing(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        page = admin.get(change(person))
        assert "Ockham" not in page.content.decode()
        vault.calls.clear()
        assert admin.post(change(person), form_data(page)).status_code == 302
        assert vault.calls == []
        assert {order.address for order in person.orders.all()} == {"12 St James's Square", "Ockham Park"}

    def test_row_is_changed_blind_and_a_row_is_added(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        page = admin.get(change(person))
        vault.calls.clear()
        data = form_data(page, **{"orders-1-address": "Marylebone", "orders-2-address": "Cavendish Square"})
        assert admin.post(change(person), data).status_code == 302
        assert vault.calls == [("tokenize", 1), ("tokenize", 1)]
        addresses = [order.address for order in person.orders.order_by("pk")]
        assert addresses == ["12 St James's Square", "Marylebone", "Cavendish Square"]

    def test_row_is_deleted(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        page = admin.get(change(person))
        admin.post(change(person), form_data(page, **{"orders-0-DELETE": "on"}))
        assert [order.address for order in person.orders.all()] == ["Ockham Park"]

    def test_failing_vault_keeps_what_was_entered(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        page = admin.get(change(person))
        vault.fail_with(VaultConnectionError("no route"))
        response = admin.post(change(person), form_data(page, **{"orders-1-address": "Marylebone"}))
        text = response.content.decode()
        assert "Nothing was saved." in text
        assert "Marylebone" in text

    @pytest.mark.parametrize("permissions", [(), ("add_order",), ("change_order",)])
    def test_rows_that_may_only_be_seen_are_masked(
        self,
        log_in: Callable[..., Client],
        person: Person,
        permissions: tuple[str, ...],
    ) -> None:
        page = log_in("change_person", "view_order", *permissions).get(change(person)).content.decode()
        assert "Ockham" not in page
        assert page.count(MASK) >= 5

    def test_stacked_inline_of_the_same_model(self, admin: Client, vault: LocMemBackend, db: None) -> None:
        friend = Named.objects.create(code="a", secret="s1")
        Named.objects.create(code="b", secret="s2", friend=friend)
        url = f"/admin/tests/named/{friend.pk}/change/"
        page = admin.get(url)
        vault.calls.clear()
        response = admin.post(url, form_data(page, friend=friend.pk, **{"named_set-0-secret": "new"}))
        assert response.status_code == 302
        assert vault.calls == [("tokenize", 1)]
        assert Named.objects.get(code="b").secret == "new"


class TestGenericInlines:
    @pytest.fixture
    def options(self, vault: LocMemBackend, db: None) -> Options:
        options = Options.objects.create(level="g", tags=["a"])
        Remark.objects.create(target=options, text="a remark")
        return options

    def test_value_is_revealed_through_its_parent(self, admin: Client, options: Options) -> None:
        page = admin.get(f"/admin/tests/options/{options.pk}/change/").content.decode()
        url = f"/admin/tests/options/tokenized/tests.remark/{Remark.objects.get().pk}/text/reveal/"
        assert url in page
        assert "a remark" not in page
        assert admin.post(url, HTTP_ACCEPT="application/json").json()["value"] == "a remark"

    def test_value_of_an_object_of_another_model_is_not(self, admin: Client, options: Options) -> None:
        person = Person.objects.create(pk=options.pk, name="Ada")
        other = Remark.objects.create(target=person, text="not here")
        url = f"/admin/tests/options/tokenized/tests.remark/{other.pk}/text/reveal/"
        assert admin.post(url).status_code == 404

    def test_is_copied(self, admin: Client, options: Options, vault: LocMemBackend) -> None:
        url = f"/admin/tests/options/{options.pk}/change/"
        response = admin.post(url, form_data(admin.get(url), _saveasnew="Save as new"))
        assert response.status_code == 302
        copy = Options.objects.exclude(pk=options.pk).get()
        assert copy.level == "g"
        assert [remark.text for remark in Remark.objects.filter(object_id=copy.pk)] == ["a remark"]

    @pytest.mark.parametrize("pk", ["x", "999999"])
    def test_unknown_object_is_404(self, admin: Client, options: Options, pk: str) -> None:
        assert admin.post(f"/admin/tests/options/tokenized/tests.remark/{pk}/text/reveal/").status_code == 404


class TestSaveAsNew:
    def test_copy_has_the_values_and_tokens_of_its_own(
        self, admin: Client, person: Person, vault: LocMemBackend
    ) -> None:
        page = admin.get(change(person))
        vault.calls.clear()
        data = form_data(page, email="countess@example.com", _saveasnew="Save as new")
        assert admin.post(change(person), data).status_code == 302
        copy = Person.objects.exclude(pk=person.pk).get()
        assert (copy.name, copy.email, copy.ssn) == ("Ada Lovelace", "countess@example.com", "078-05-1120")
        assert copy.ssn_token != person.ssn_token
        assert {order.address for order in copy.orders.all()} == {"12 St James's Square", "Ockham Park"}
        assert Person.objects.get(pk=person.pk).email == "ada@example.com"

    def test_cleared_value_is_not_copied(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        data = form_data(admin.get(change(person)), ssn__clear="on", _saveasnew="Save as new")
        admin.post(change(person), data)
        assert Person.objects.exclude(pk=person.pk).get().ssn is None

    def test_invalid_copy_shows_masks_again(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        data = form_data(admin.get(change(person)), team="", _saveasnew="Save as new")
        page = admin.post(change(person), data)
        assert page.status_code == 200
        text = page.content.decode()
        assert person.ssn_token in text
        assert "078-05" not in text
        admin.post(change(person), form_data(page, team="blue", _saveasnew="Save as new"))
        assert Person.objects.get(team="blue").ssn == "078-05-1120"

    def test_failing_vault_is_an_error_of_the_fields(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        page = admin.get(change(person))
        vault.fail_with(VaultConnectionError("no route"))
        response = admin.post(change(person), form_data(page, _saveasnew="Save as new"))
        assert "The vault cannot be reached at the moment." in str(response.context["adminform"].form.errors["ssn"])
        assert Person.objects.count() == 1

    def test_rows_of_somebody_else_are_not_copied(self, admin: Client, person: Person, vault: LocMemBackend) -> None:
        other = Order.objects.create(person=Person.objects.create(name="Eve"), address="not yours")
        data = form_data(admin.get(change(person)), _saveasnew="Save as new")
        admin.post(change(person), {**data, "orders-0-id": str(other.pk)})
        copies = Person.objects.exclude(name__token=person.name_token).exclude(pk=other.person_id)
        assert "not yours" not in {order.address for copy in copies for order in copy.orders.all()}

    def test_needs_the_right_to_see_the_original(self, log_in: Callable[..., Client], person: Person) -> None:
        client = log_in("add_person")
        data = {"_saveasnew": "1", "team": "x", "age": "1", "orders-TOTAL_FORMS": "0", "orders-INITIAL_FORMS": "0"}
        assert client.post(change(person), data).status_code == 403
        assert Person.objects.count() == 1


class TestWhatIsWrittenDown:
    @pytest.fixture(autouse=True)
    def _nothing_written(self, person: Person) -> Any:
        yield
        for entry in LogEntry.objects.all():
            assert "Ada" not in f"{entry.object_repr} {entry.change_message}"
        assert LogEntry.objects.exists()

    def messages(self, response: Any) -> str:
        return " ".join(str(message) for message in get_messages(response.wsgi_request))

    def test_change(self, admin: Client, person: Person) -> None:
        response = admin.post(change(person), form_data(admin.get(change(person)), team="blue"))
        assert "was changed successfully" in self.messages(response)
        assert "Ada" not in self.messages(response)

    def test_addition(self, admin: Client, person: Person) -> None:
        page = admin.get("/admin/tests/person/add/")
        response = admin.post("/admin/tests/person/add/", form_data(page, name="Ada Lovelace", team="x"))
        assert "was added successfully" in self.messages(response)
        assert "Ada" not in self.messages(response)

    def test_change_of_an_inline(self, admin: Client, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Order, "__str__", lambda order: f"Ada's order to {order.address}")
        page = admin.get(change(person))
        admin.post(change(person), form_data(page, **{"orders-2-address": "Cavendish Square"}))
        message = LogEntry.objects.get().change_message
        assert '"name": "order"' in message
        assert "Cavendish" not in message
        LogEntry.objects.update(change_message=message.replace("Ada's order", ""))

    def test_popup_tells_the_name_to_the_page_that_opened_it(self, admin: Client, person: Person) -> None:
        page = admin.get("/admin/tests/person/add/?_popup=1")
        data = form_data(page, name="Grace Hopper", team="x")
        response = admin.post("/admin/tests/person/add/?_popup=1", {**data, "_popup": "1"})
        assert "Grace Hopper" in response.content.decode()

    def test_error_reports_show_nothing_that_was_posted(self, admin: Client, person: Person) -> None:
        response = admin.post(change(person), form_data(admin.get(change(person)), ssn="219-09-9999"))
        assert response.wsgi_request.sensitive_post_parameters == "__ALL__"

    def test_deletion(self, admin: Client, person: Person) -> None:
        response = admin.post(f"/admin/tests/person/{person.pk}/delete/", {"post": "yes"})
        assert "was deleted successfully" in self.messages(response)
        assert "Ada" not in self.messages(response)

    def test_deletion_of_selected(self, admin: Client, person: Person) -> None:
        data = {"action": "delete_selected", "_selected_action": [person.pk], "post": "yes"}
        admin.post("/admin/tests/person/", data)
        assert not Person.objects.exists()


class TestFailingVault:
    @pytest.mark.parametrize("view", ["change", "history", "delete"])
    def test_pages_render_with_a_notice(self, admin: Client, person: Person, vault: LocMemBackend, view: str) -> None:
        vault.fail_with(VaultConnectionError("no route"))
        response = admin.get(f"/admin/tests/person/{person.pk}/{view}/")
        assert response.status_code == 200
        assert "The vault cannot be reached at the moment." in response.content.decode()

    def test_deletion_that_needs_the_vault_is_refused_plainly(
        self, admin: Client, person: Person, vault: LocMemBackend
    ) -> None:
        vault.fail_with(VaultConnectionError("no route"))
        response = admin.post(f"/admin/tests/person/{person.pk}/delete/", {"post": "yes"}, follow=True)
        assert "The vault cannot be reached at the moment." in response.content.decode()
        assert Person.objects.filter(pk=person.pk).exists()

    def test_action_that_needs_the_vault_is_not_tried_twice(
        self, admin: Client, person: Person, vault: LocMemBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from .site import site

        tried: list[int] = []

        def greet(model_admin: Any, request: Any, queryset: Any) -> None:
            tried.append(len([obj.name for obj in queryset]))

        monkeypatch.setattr(site._registry[Person], "actions", [greet])
        vault.fail_with(VaultConnectionError("no route"))
        data = {"action": "greet", "_selected_action": [person.pk]}
        response = admin.post("/admin/tests/person/", data)
        assert response.status_code == 302
        assert len(vault.calls) == 1
        assert tried == []


class TestDeletion:
    def test_confirmation_names_the_objects_in_one_request_each_kind(
        self, admin: Client, person: Person, vault: LocMemBackend
    ) -> None:
        page = admin.get(f"/admin/tests/person/{person.pk}/delete/").content.decode()
        assert "Ada Lovelace" in page
        assert "Ockham" not in page
        assert len(vault.calls) == 1
