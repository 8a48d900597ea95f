from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from django_altr.backends.locmem import LocMemBackend
from django_altr.exceptions import DataCapExceeded, ValueTooLarge, VaultConnectionError
from django_altr.masks import MASK
from tests.models import Account, Everything, Labelled, Options, Order, Person

from .reading import form_data

# Django 5.2 warns at every URLField.
pytestmark = pytest.mark.filterwarnings("ignore:The default scheme")


@pytest.fixture
def person(vault: LocMemBackend, db: None) -> Person:
    person = Person.objects.create(name="Ada Lovelace", email="ada@example.com", ssn="078-05-1120", team="red")
    vault.calls.clear()
    return Person.objects.get(pk=person.pk)


def url(obj: Any, view: str = "change") -> str:
    return f"/admin/{obj._meta.app_label}/{obj._meta.model_name}/{obj.pk}/{view}/"


def test_shows_masks_and_tokens_and_asks_the_vault_for_nothing(admin: Client, vault: LocMemBackend, db: None) -> None:
    account = Account.objects.create(iban="DE89370400440532013000", note="secret note")
    vault.calls.clear()
    page = admin.get(url(account)).content.decode()
    assert MASK in page
    assert account.iban_token in page
    assert "DE8937" not in page
    assert "secret note" not in page
    assert vault.calls == []


def test_mask_of_a_value_is_the_same_whatever_its_length(admin: Client, vault: LocMemBackend, db: None) -> None:
    short, long = Labelled.objects.create(computed="x"), Labelled.objects.create(computed="x" * 900)
    pages = [admin.get(url(each)).content.decode() for each in (short, long)]
    assert pages[0].count("•") == pages[1].count("•") > 0


def test_empty_value_has_a_plain_input(admin: Client, vault: LocMemBackend, db: None) -> None:
    person = Person.objects.create(name="Ada", ssn=None)
    page = admin.get(url(person))
    assert form_data(page)["ssn"] == [""]
    assert "ssn-clear" not in page.content.decode()


def test_unchanged_post_reads_and_writes_nothing(admin: Client, person: Person, vault: LocMemBackend) -> None:
    page = admin.get(url(person))
    vault.calls.clear()
    before = Person.objects.values("name__token", "email__token", "ssn__token").get()
    response = admin.post(url(person), form_data(page, team="blue"))
    assert response.status_code == 302
    assert vault.calls == []
    assert Person.objects.values("name__token", "email__token", "ssn__token").get() == before
    assert Person.objects.get().team == "blue"


def test_new_value_is_written_without_reading_the_old_one(admin: Client, person: Person, vault: LocMemBackend) -> None:
    page = admin.get(url(person))
    vault.calls.clear()
    admin.post(url(person), form_data(page, ssn="219-09-9999"))
    assert vault.calls == [("tokenize", 1)]
    assert Person.objects.get().ssn == "219-09-9999"
    assert Person.objects.get().name == "Ada Lovelace"


def test_user_with_only_the_change_permission_sets_a_value_blind(
    log_in: Callable[..., Client], person: Person, vault: LocMemBackend
) -> None:
    client = log_in("change_person")
    page = client.get(url(person))
    assert "tokenized/tests.person" in page.content.decode()
    assert "/reveal/" not in page.content.decode()
    assert "altr-reveal" not in page.content.decode()
    client.post(url(person), form_data(page, email="countess@example.com"))
    assert Person.objects.get().email == "countess@example.com"


def test_clearing_is_explicit(admin: Client, person: Person, vault: LocMemBackend) -> None:
    page = admin.get(url(person))
    vault.calls.clear()
    assert admin.post(url(person), form_data(page, ssn="   ")).status_code == 302
    assert Person.objects.get().ssn_token is not None
    admin.post(url(person), form_data(page, ssn__clear="on", email__clear="on"))
    assert vault.calls == []
    cleared = Person.objects.get()
    assert (cleared.ssn_token, cleared.email_token) == (None, "")


def test_required_value_cannot_be_cleared(admin: Client, person: Person, vault: LocMemBackend) -> None:
    page = admin.get(url(person))
    assert "name-clear" not in page.content.decode()
    admin.post(url(person), form_data(page, name__clear="on"))
    assert Person.objects.get().name == "Ada Lovelace"


def test_clearing_and_a_new_value_contradict(admin: Client, person: Person, vault: LocMemBackend) -> None:
    page = admin.get(url(person))
    response = admin.post(url(person), form_data(page, ssn="1", ssn__clear="on"))
    assert "not both" in response.content.decode()


def test_invalid_value_is_shown_again_and_nothing_else(admin: Client, person: Person, vault: LocMemBackend) -> None:
    page = admin.get(url(person))
    vault.calls.clear()
    response = admin.post(url(person), form_data(page, email="no address", ssn="219-09-9999"))
    text = response.content.decode()
    assert "Enter a valid email address" in text
    assert 'value="no address"' in text
    assert "ada@example.com" not in text
    assert "078-05-1120" not in text
    assert Person.objects.get().ssn == "078-05-1120"


def test_token_that_is_typed_is_plaintext(admin: Client, person: Person, vault: LocMemBackend) -> None:
    other = Person.objects.create(name="Charles Babbage")
    page = admin.get(url(person))
    admin.post(url(person), form_data(page, name=other.name_token))
    stored = Person.objects.get(pk=person.pk)
    assert stored.name == other.name_token
    assert stored.name_token != other.name_token


def test_token_in_the_address_of_the_add_form_is_plaintext(admin: Client, vault: LocMemBackend, db: None) -> None:
    other = Account.objects.create(iban="DE1")
    page = admin.get(f"/admin/tests/account/add/?note={other.iban_token}")
    assert form_data(page)["note"] == [other.iban_token]
    admin.post("/admin/tests/account/add/", form_data(page, iban="DE2", owner_ssn="1"))
    assert Account.objects.get(pk=other.pk + 1).note == other.iban_token


def test_view_permission_alone_shows_masks(log_in: Callable[..., Client], person: Person, vault: LocMemBackend) -> None:
    Order.objects.create(person=person, address="12 St James's Square")
    vault.calls.clear()
    page = log_in("view_person", "view_order").get(url(person)).content.decode()
    assert person.ssn_token in page
    assert page.count(MASK) == 4
    assert "078-05" not in page
    assert "St James" not in page
    assert vault.calls in ([], [("detokenize", 1)])  # the title is Person.__str__, which is a name


def test_view_and_reveal_permission_can_reveal_a_read_only_value(log_in: Callable[..., Client], person: Person) -> None:
    page = log_in("view_person", "reveal_person").get(url(person)).content.decode()
    assert f"/admin/tests/person/tokenized/tests.person/{person.pk}/ssn/reveal/" in page


def test_readonly_field_of_an_override_is_masked(admin: Client, vault: LocMemBackend, db: None) -> None:
    labelled = Labelled.objects.create(fixed="do not show", computed="nor this")
    vault.calls.clear()
    page = admin.get(url(labelled)).content.decode()
    assert "do not show" not in page
    assert labelled.fixed_token in page
    assert vault.calls == []


def test_empty_readonly_field_shows_the_admins_own_empty_value(admin: Client, vault: LocMemBackend, db: None) -> None:
    page = admin.get(url(Labelled.objects.create())).content.decode()
    assert '<div class="readonly">-</div>' in page


@pytest.fixture
def everything(vault: LocMemBackend, db: None) -> Everything:
    return Everything.objects.create(
        char="a",
        text="b\nc",
        email="a@example.com",
        url="https://example.com",
        slug="a-b",
        integer=1,
        small=2,
        positive=3,
        positive_small=4,
        positive_big=5,
        big=6,
        boolean=False,
        decimal=Decimal("1.50"),
        float=1.5,
        date=datetime.date(1815, 12, 10),
        datetime=datetime.datetime(1815, 12, 10, 12, tzinfo=datetime.UTC),
        time=datetime.time(12, 30),
        duration=datetime.timedelta(hours=1),
        uuid="12345678123456781234567812345678",
        json={"a": [1]},
        ip="127.0.0.1",
        money=7,
    )


def test_every_base_type_survives_an_unchanged_post(
    admin: Client, everything: Everything, vault: LocMemBackend
) -> None:
    page = admin.get(url(everything))
    vault.calls.clear()
    tokens = list(Everything.objects.values_list())
    response = admin.post(url(everything), form_data(page))
    assert response.status_code == 302, response.context["adminform"].form.errors
    assert vault.calls == []
    assert list(Everything.objects.values_list()) == tokens


def test_every_base_type_takes_a_new_value(admin: Client, everything: Everything, vault: LocMemBackend) -> None:
    page = admin.get(url(everything))
    assert "vDateField" in page.content.decode()
    changes = {
        "text": "new\r\ntext",
        "boolean": "True",
        "date": "1816-01-02",
        "datetime_0": "1816-01-02",
        "datetime_1": "10:00",
        "decimal": "2.25",
        "json": '{"b": 2}',
    }
    response = admin.post(url(everything), form_data(page, **changes))
    assert response.status_code == 302, response.context["adminform"].form.errors
    changed = Everything.objects.get()
    assert changed.text == "new\r\ntext"
    assert changed.boolean is True
    assert changed.date == datetime.date(1816, 1, 2)
    assert changed.datetime == datetime.datetime(1816, 1, 2, 10, tzinfo=datetime.UTC)
    assert changed.decimal == Decimal("2.25")
    assert changed.json == {"b": 2}
    assert changed.integer == 1


def test_choices_do_not_tell_the_stored_one(admin: Client, vault: LocMemBackend, db: None) -> None:
    options = Options.objects.create(level="g")
    page = admin.get(url(options))
    assert form_data(page)["level"] == [""]
    vault.calls.clear()
    assert admin.post(url(options), form_data(page)).status_code == 302
    admin.post(url(options), form_data(page, level="s"))
    assert Options.objects.get().level == "s"


def test_add_form_starts_with_the_defaults(admin: Client, vault: LocMemBackend, db: None) -> None:
    page = admin.get("/admin/tests/options/add/")
    data = form_data(page)
    assert data["level"] == ["s"]
    assert data["score"] == ["0"]
    assert data["tags"] == ["[]"]
    admin.post("/admin/tests/options/add/", {**data, "tags": '["a"]'})
    assert Options.objects.get().tags == ["a"]


def test_failing_vault_saves_the_other_fields(admin: Client, vault: LocMemBackend, db: None) -> None:
    account = Account.objects.create(iban="DE1", owner_ssn="1", balance=1)
    vault.fail_with(VaultConnectionError("no route"))
    page = admin.get(url(account))
    assert page.status_code == 200
    assert admin.post(url(account), form_data(page, balance="2")).status_code == 302
    vault.fail_with(None)
    stored = Account.objects.get()
    assert (stored.balance, stored.iban) == (2, "DE1")


def test_failing_vault_keeps_what_was_entered(admin: Client, vault: LocMemBackend, db: None) -> None:
    account = Account.objects.create(iban="DE1", owner_ssn="1", note="old")
    page = admin.get(url(account))
    vault.fail_with(VaultConnectionError("no route"))
    response = admin.post(url(account), form_data(page, note="new note", balance="2"))
    text = response.content.decode()
    assert "Nothing was saved. The vault cannot be reached at the moment." in text
    assert "new note" in text
    vault.fail_with(None)
    stored = Account.objects.get()
    assert (stored.balance, stored.note) == (0, "old")


@pytest.mark.parametrize(
    ("error", "words"),
    [(DataCapExceeded("cap"), "The vault is full"), (ValueTooLarge("4 kB"), "The value is too large")],
)
def test_refused_value_is_told(admin: Client, vault: LocMemBackend, db: None, error: Exception, words: str) -> None:
    account = Account.objects.create(iban="DE1", owner_ssn="1")
    page = admin.get(url(account))
    vault.fail_with(error)
    assert words in admin.post(url(account), form_data(page, note="n")).content.decode()


def test_name_in_the_title_costs_one_request_and_is_masked_while_the_vault_fails(
    admin: Client, person: Person, vault: LocMemBackend
) -> None:
    page = admin.get(url(person)).content.decode()
    assert "Ada Lovelace" in page  # Person.__str__ says so
    assert vault.calls == [("detokenize", 1)]
    vault.fail_with(VaultConnectionError("no route"))
    page = admin.get(url(person)).content.decode()
    assert "The vault cannot be reached at the moment." in page
    assert "Ada Lovelace" not in page
    assert person.name_token in page
