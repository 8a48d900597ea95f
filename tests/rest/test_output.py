"""Nothing is shown, or read, that the serializer or a permission does not reveal."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from rest_framework import serializers

from django_altr.exceptions import ServiceUnavailable
from django_altr.fields import no_detokenization
from django_altr.rest_framework import MASK, TokenizedSerializerField
from tests.models import Everything, Options, Order, Person

from .api import NAMES, MaskedEverything, MaskedPerson, RevealedEverything, RevealedOrder, RevealedPerson, serializer

PERMISSION = "tests.reveal_person"


@pytest.fixture
def ada(vault):
    person = Person.objects.create(name="Ada Lovelace", email="ada@example.org", ssn="815-12-10", age=36)
    vault.forget()
    return Person.objects.get(pk=person.pk)


@pytest.fixture
def officer(db):
    user = User.objects.create_user("officer")
    content_type = ContentType.objects.get_for_model(Person)
    permission, _ = Permission.objects.get_or_create(content_type=content_type, codename="reveal_person")
    user.user_permissions.add(permission)
    return user


def asked_by(user):
    return {"request": SimpleNamespace(user=user)}


def test_texts_are_masked_by_default(ada, vault):
    assert MaskedPerson(ada).data == {"id": ada.pk, "name": MASK, "email": MASK, "ssn": MASK, "age": 36}
    assert vault.calls == []


def test_values_of_other_types_are_left_out(vault):
    row = Everything.objects.create(integer=5, boolean=False, date="1815-12-10", json={"a": 1}, text="secret")
    shown = {name: value for name, value in MaskedEverything(row).data.items() if value is not None}
    assert shown == {"id": row.pk, "text": MASK}


def test_choices_are_left_out(vault):
    assert "level" not in serializer(Options)(Options.objects.create(level="g")).data


def test_masks_say_nothing_of_the_length(vault):
    short = Person.objects.create(name="A", email="")
    long = Person.objects.create(name="A" * 200, email="")
    assert MaskedPerson(short).data["name"] == MaskedPerson(long).data["name"]


def test_what_is_empty_is_shown_as_empty(vault):
    person = Person.objects.create(name="Ada", email="", ssn=None)
    data = MaskedPerson(person).data
    assert (data["email"], data["ssn"]) == ("", None)


def test_masking_works_where_nothing_may_be_read(ada):
    with no_detokenization():
        assert MaskedPerson(ada).data["name"] == MASK


def test_masking_works_with_the_vault_down(ada, vault):
    vault.fail_with(ServiceUnavailable("down"))
    assert MaskedPerson(ada).data["name"] == MASK


def test_a_value_that_is_loaded_already_is_masked_all_the_same(ada):
    assert ada.name == "Ada Lovelace"
    assert MaskedPerson(ada).data["name"] == MASK


def test_what_was_just_saved_is_masked(vault):
    bound = MaskedPerson(data={"name": "Ada", "email": "ada@example.org"})
    bound.is_valid(raise_exception=True)
    bound.save()
    assert bound.data["name"] == MASK


def test_validated_data_that_is_not_saved_is_masked(vault):
    bound = MaskedPerson(data={"name": "Ada", "email": "ada@example.org"})
    bound.is_valid(raise_exception=True)
    assert bound.data["name"] == MASK


def test_the_serializer_reveals_the_fields_that_it_names(ada):
    data = serializer(Person, NAMES, reveal=["email"])(ada).data
    assert (data["name"], data["email"], data["ssn"]) == (MASK, "ada@example.org", MASK)


def test_the_serializer_reveals_all_fields(ada):
    data = RevealedPerson(ada).data
    assert (data["name"], data["email"], data["ssn"]) == ("Ada Lovelace", "ada@example.org", "815-12-10")


def test_a_text_in_place_of_the_list_is_refused(ada):
    with pytest.raises(TypeError, match="list of field names"):
        serializer(Person, NAMES, reveal="email_and_name")(ada).data  # noqa: B018


def test_the_permission_reveals_all_fields(ada, officer):
    Guarded = serializer(Person, NAMES, reveal_permission=PERMISSION)
    assert Guarded(ada, context=asked_by(officer)).data["ssn"] == "815-12-10"


@pytest.mark.parametrize("reveal", [{}, {"reveal": "__all__"}, {"reveal": ["ssn"]}])
def test_without_the_permission_nothing_is_revealed(ada, vault, reveal):
    Guarded = serializer(Person, NAMES, reveal_permission=PERMISSION, **reveal)
    for context in (asked_by(User.objects.create_user("agent")), asked_by(AnonymousUser()), {}):
        assert Guarded(ada, context=context).data["ssn"] == MASK
    assert vault.calls == []


def test_the_permission_reveals_only_the_fields_that_are_named_with_it(ada, officer):
    Guarded = serializer(Person, NAMES, reveal_permission=PERMISSION, reveal=["email"])
    data = Guarded(ada, context=asked_by(officer)).data
    assert (data["email"], data["ssn"]) == ("ada@example.org", MASK)


def test_a_nested_serializer_reveals_by_its_own_meta(ada, vault):
    order = Order.objects.create(person=ada, address="12 St James's Square")
    assert RevealedOrder(order).data["person"]["name"] == "Ada Lovelace"

    class Outer(serializers.ModelSerializer):
        class Meta:
            model = Order
            fields = ["person", "address"]
            reveal = "__all__"
            depth = 1

    assert Outer(order).data["person"]["name"] == MASK


def test_a_dotted_source_is_masked_and_revealed(ada, vault):
    class Email(TokenizedSerializerField, serializers.EmailField): ...

    class Dotted(serializers.Serializer):
        mail = Email(source="person.email", read_only=True)

    class Revealing(Dotted):
        class Meta:
            reveal = ["mail"]

    order = Order.objects.create(person=ada)
    assert Dotted(order).data == {"mail": MASK}
    assert Revealing(order).data == {"mail": "ada@example.org"}
    assert Dotted(Order()).data == {"mail": None}
    assert Dotted({}).data == {}


def test_another_name_for_the_field(ada):
    options = {"extra_kwargs": {"mail": {"source": "email"}}}
    assert serializer(Person, ["mail"], **options)(ada).data == {"mail": MASK}
    assert serializer(Person, ["mail"], reveal=["mail"], **options)(ada).data == {"mail": "ada@example.org"}


def test_rows_of_values_are_masked_and_revealed(ada, vault):
    rows = Person.objects.values("id", "name", "email", "ssn", "age")
    assert MaskedPerson(rows, many=True).data[0]["email"] == MASK
    assert vault.calls == []
    assert RevealedPerson(rows, many=True).data[0]["email"] == "ada@example.org"


def test_a_property_is_masked_without_being_computed(vault):
    class Text(TokenizedSerializerField, serializers.CharField): ...

    class Computed(serializers.Serializer):
        summary = Text()

    class Thing:
        @property
        def summary(self):
            raise AssertionError("computed")

    assert Computed(Thing()).data == {"summary": MASK}


def test_a_write_only_field_is_not_read_along(ada, vault):
    WriteOnly = serializer(Person, ["name", "ssn"], reveal="__all__", extra_kwargs={"ssn": {"write_only": True}})
    assert WriteOnly(ada).data == {"name": "Ada Lovelace"}
    assert vault.reads == [1]


def test_a_value_that_the_vault_lost_is_left_out_and_its_neighbours_stay(ada, vault, caplog):
    vault.delete_many([ada.email_token])
    data = RevealedPerson(ada).data
    assert data["name"] == "Ada Lovelace"
    assert "email" not in data
    assert "email is left out" in caplog.text


def test_a_value_that_its_base_field_cannot_read_is_left_out(vault, caplog):
    row = Everything.objects.create(integer=5, text="secret")
    Everything.objects.filter(pk=row.pk).update(integer=None)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE tests_everything SET {connection.ops.quote_name('integer')} = text")
    data = RevealedEverything(Everything.objects.get()).data
    assert data["text"] == "secret"
    assert "integer" not in data
    assert "integer is left out" in caplog.text
    assert "secret" not in caplog.text


def test_an_outage_is_an_error_not_a_mask(ada, vault):
    vault.fail_with(ServiceUnavailable("down"))
    with pytest.raises(ServiceUnavailable):
        RevealedPerson(ada).data  # noqa: B018


@pytest.mark.skipif(not hasattr(Person.objects.all(), "fetch_mode"), reason="fetch modes came with Django 6.1")
def test_a_queryset_that_must_not_fetch_does_not(ada, vault):
    from django.core.exceptions import FieldFetchBlocked
    from django.db.models import FETCH_RAISE

    row = Person.objects.fetch_mode(FETCH_RAISE).get()
    assert MaskedPerson(row).data["name"] == MASK
    with pytest.raises(FieldFetchBlocked):
        RevealedPerson(row).data  # noqa: B018
    assert vault.calls == []


def test_nothing_but_the_token_is_in_the_database(ada):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tests_person")
        assert "Lovelace" not in str(cursor.fetchall())
