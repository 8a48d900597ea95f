"""Nothing is lost, nothing is written twice, nothing reaches the column in clear."""

from __future__ import annotations

import copy
import pickle

import pytest
from django.core.exceptions import FieldError, ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, F, Model, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce, Lower

from django_altr import vaults
from django_altr.exceptions import InvalidResponse, ServiceUnavailable
from tests.models import Account, Bare, Everything, Labelled, Named, Options, Order, Payee, Person, Supplier

from .conftest import column


@pytest.fixture
def person(vault):
    person = Person.objects.create(name="Ada", email="ada@x.org", ssn="123", team="core")
    vault.forget()
    return person


def stored(instance):
    return type(instance).objects.get(pk=instance.pk)


# One instance


def test_save_sends_all_changed_fields_together(vault):
    Person.objects.create(name="Ada", email="ada@x.org", ssn="1")
    assert vault.writes == [3]


def test_a_backend_that_gives_too_few_tokens_stores_nothing(vault, monkeypatch):
    monkeypatch.setattr(vaults["default"], "tokenize_many", lambda values, **options: ["chain_only_one_of_three"])
    with pytest.raises(InvalidResponse, match="1 tokens for 3 values"):
        Person.objects.create(name="Ada", email="ada@x.org", ssn="1")
    assert not Person.objects.exists()


def test_saved_value_is_at_hand_without_a_read(vault, person):
    assert (person.name, person.ssn) == ("Ada", "123")
    assert vault.reads == []


def test_metadata_is_the_label(vault, person):
    assert vault.metadata(person.name_token) == "tests.Person.name"


def test_metadata_is_what_the_field_says(vault):
    labelled = Labelled.objects.create(pk=5, fixed="x", computed="y")
    assert vault.metadata(labelled.fixed_token) == "a file name.txt"
    assert vault.metadata(labelled.computed_token) == "computed of 5"
    assert vault.metadata(Bare.objects.create(value="x").value_token) is None


def test_metadata_of_an_update_has_no_instance(vault):
    Labelled.objects.create()
    Labelled.objects.update(computed="x")
    assert vault.metadata(Labelled.objects.get().computed_token) is None


def test_unchanged_instance_makes_no_call(vault, person):
    loaded = stored(person)
    loaded.age = 5
    loaded.save()
    assert vault.backend.calls == []
    assert stored(person).name_token == person.name_token


def test_equal_value_makes_no_call(vault, person):
    loaded = stored(person)
    assert loaded.name == "Ada"
    vault.forget()
    loaded.name = "Ada"
    loaded.save()
    assert vault.backend.calls == []


def test_value_equal_after_conversion_makes_no_call(vault):
    pk = Everything.objects.create(integer=7).pk
    loaded = Everything.objects.get(pk=pk)
    assert loaded.integer == 7
    vault.forget()
    loaded.integer = "7"
    loaded.save()
    assert vault.writes == []


def test_assigning_reads_nothing(vault, person):
    loaded = stored(person)
    loaded.name = "Grace"
    loaded.save()
    assert vault.reads == []
    assert vault.writes == [1]
    assert stored(person).name == "Grace"


def test_assigning_to_a_deferred_field_in_init_reads_nothing(vault, person, monkeypatch, django_assert_num_queries):
    def init(self, *args, **kwargs):
        Model.__init__(self, *args, **kwargs)
        self.name = "from init"

    monkeypatch.setattr(Person, "__init__", init)
    with django_assert_num_queries(1):
        assert [loaded.name for loaded in Person.objects.defer("name")] == ["from init"]
    assert vault.reads == []


def test_assigning_to_a_deferred_field_reads_nothing(vault, person, django_assert_num_queries):
    loaded = Person.objects.defer("name").get(pk=person.pk)
    with django_assert_num_queries(1):
        loaded.name = "Grace"
        loaded.save()
    assert vault.reads == []
    assert stored(person).name == "Grace"


def test_zero_false_and_empty_are_values(vault):
    pk = Everything.objects.create(integer=0, boolean=False, char="", json="").pk
    read = Everything.objects.get(pk=pk)
    assert (read.integer, read.boolean, read.char, read.json) == (0, False, "", "")


def test_change_in_place_is_a_change(vault):
    Everything.objects.create(json={"a": 1})
    loaded = Everything.objects.get()
    loaded.json["a"] = 2
    loaded.save()
    assert Everything.objects.get().json == {"a": 2}
    vault.forget()
    loaded.save()
    assert vault.writes == []


def test_change_in_place_after_save_is_a_change(vault):
    instance = Everything.objects.create(json=[1])
    instance.json.append(2)
    instance.save()
    assert Everything.objects.get().json == [1, 2]


def test_change_in_place_that_is_undone_by_assignment_is_none(vault):
    Everything.objects.create(json=[1])
    loaded = Everything.objects.get()
    loaded.json.append(2)
    loaded.json = [1]
    vault.forget()
    loaded.save()
    assert vault.writes == []
    assert Everything.objects.get().json == [1]


@pytest.mark.parametrize("name", ["name", "name_token"])
def test_update_fields_by_either_name(vault, person, name):
    person.name, person.email = "Grace", "grace@x.org"
    person.save(update_fields=[name])
    assert vault.writes == [1]
    read = stored(person)
    assert (read.name, read.email) == ("Grace", "ada@x.org")
    person.save()
    assert stored(person).email == "grace@x.org"


def test_update_fields_of_others_leaves_the_change_pending(vault, person):
    person.name = "Grace"
    person.save(update_fields=["age"])
    assert vault.writes == []
    assert person.name == "Grace"
    person.save()
    assert stored(person).name == "Grace"


def test_none_empties_the_column(vault, person):
    person.ssn = None
    person.save()
    assert stored(person).ssn is None
    assert vault.backend.calls == []


def test_force_insert(vault):
    person = Person(pk=77, name="Ada")
    person.save(force_insert=True)
    assert vault.writes == [1]
    assert stored(person).name == "Ada"


def test_create_and_update_helpers(vault):
    person, created = Person.objects.get_or_create(age=1, defaults={"name": "Ada"})
    assert created and stored(person).name == "Ada"
    vault.forget()
    assert Person.objects.get_or_create(age=1, defaults={"name": "Grace"}) == (person, False)
    assert vault.writes == []
    person, created = Person.objects.update_or_create(age=1, defaults={"name": "Grace"})
    assert not created and stored(person).name == "Grace"


def test_related_manager_creates(vault, person):
    person.orders.create(address="home")
    assert Order.objects.get().address == "home"


def test_child_writes_its_parents_fields_in_one_go(vault):
    supplier = Supplier.objects.create(phone="1", tax_id="2")
    assert vault.writes == [2]
    supplier = stored(supplier)
    supplier.phone, supplier.tax_id = "3", "4"
    supplier.save()
    assert vault.writes == [2, 2]
    assert (stored(supplier).phone, stored(supplier).tax_id) == ("3", "4")


def test_save_after_an_outage_writes_the_value(vault, person):
    vault.fail_with(ServiceUnavailable("down"), times=1)
    person.name = "Grace"
    with pytest.raises(ServiceUnavailable):
        person.save()
    assert person.name == "Grace"
    assert stored(person).name_token != person.name_token
    assert stored(person).name == "Ada"
    person.save()
    assert stored(person).name == "Grace"


def test_save_after_a_database_error_makes_no_second_call(vault):
    Named.objects.create(code="taken")
    named = Named(code="taken", secret="s")
    with pytest.raises(IntegrityError), transaction.atomic():
        named.save()
    assert vault.writes == [1]
    named.code = "free"
    named.save()
    assert vault.writes == [1]
    assert stored(named).secret == "s"


def test_value_survives_a_rollback(vault, person):
    with pytest.raises(RuntimeError), transaction.atomic():
        person.name = "Grace"
        person.save()
        raise RuntimeError
    assert stored(person).name == "Ada"
    person.save()
    assert stored(person).name == "Grace"


def test_copy_of_a_row_keeps_the_value(vault, person):
    loaded = stored(person)
    loaded.pk = None
    loaded._state.adding = True
    loaded.save()
    assert [each.name for each in Person.objects.all()] == ["Ada", "Ada"]
    assert vault.writes == []


def test_token_can_be_assigned(vault, person):
    other = Person.objects.create(name_token=person.name_token)
    assert stored(other).name == "Ada"
    other = Person(email="x@y.z")
    other.name_token = str(person.name_token)
    other.save()
    assert stored(other).name == "Ada"


def test_positional_plaintext_is_refused(vault):
    with pytest.raises(ValueError, match="name_token was given something that is no reference token") as caught:
        Person(None, "Canary Jones", "c@x.org").save()
    assert "Canary" not in str(caught.value)
    assert Person.objects.count() == 0


def test_plaintext_that_looks_like_a_token_is_plaintext(vault, person):
    thief = Person.objects.create(name=str(person.name_token), team="x")
    assert thief.name_token != person.name_token
    assert stored(thief).name == str(person.name_token)
    thief.full_clean()
    Person.objects.filter(pk=thief.pk).update(email=str(person.name_token))
    assert stored(thief).email == str(person.name_token)


def test_full_clean_of_a_stored_row_reads_and_writes_nothing(vault, person):
    loaded = stored(person)
    loaded.full_clean()
    loaded.save()
    assert vault.backend.calls == []
    assert stored(person).name == "Ada"


def test_full_clean_validates_new_values(vault, person):
    person.email = "not an address"
    with pytest.raises(ValidationError) as caught:
        person.full_clean()
    assert list(caught.value.message_dict) == ["email"]
    with pytest.raises(ValidationError) as caught:
        Person(name="", team="x").full_clean()
    assert list(caught.value.message_dict) == ["name"]


def test_full_clean_converts(vault):
    options = Options(score="7", tags=["x"])
    options.full_clean()
    assert options.score == 7


def test_column_expression_can_be_assigned(vault, person):
    person.email = F("name")
    person.save()
    assert stored(person).email == "Ada"


# Copies and pickles


def test_pickle_holds_no_plaintext(vault, person):
    loaded = stored(person)
    assert loaded.name == "Ada"
    data = pickle.dumps([loaded, person])
    assert b"Ada" not in data
    assert [each.name for each in pickle.loads(data)] == ["Ada", "Ada"]


def test_unsaved_plaintext_is_not_pickled(vault, person):
    person.name = "Grace"
    with pytest.raises(pickle.PicklingError, match="Save it before"):
        pickle.dumps(person)
    with pytest.raises(pickle.PicklingError, match="Save it before"):
        instance = Everything.objects.create(json=[1])
        instance.json.append(2)
        pickle.dumps(instance)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copy_keeps_unsaved_plaintext(vault, person, duplicate):
    person.name = "Grace"
    twin = duplicate(person)
    twin.pk = None
    twin.save()
    person.save()
    assert [each.name for each in Person.objects.all()] == ["Grace", "Grace"]


def test_deep_copy_has_a_value_of_its_own(vault):
    instance = Everything.objects.create(json=[1])
    twin = copy.deepcopy(instance)
    twin.json.append(2)
    assert instance.json == [1]
    twin.save()
    assert Everything.objects.get().json == [1, 2]


def test_repr_of_unsaved_plaintext_is_redacted(vault):
    person = Person(name="Canary")
    assert "Canary" not in repr(person.__dict__)
    assert "Canary" not in str(person.name_token)


# Queryset updates


def test_update_with_a_value(vault, person):
    Person.objects.create(name="Other")
    vault.forget()
    assert Person.objects.update(name="Grace") == 2
    assert vault.writes == [1]
    assert {each.name for each in Person.objects.all()} == {"Grace"}


@pytest.mark.parametrize("rows", [Person.objects.none, lambda: Person.objects.filter(pk__in=[])])
def test_update_of_nothing_writes_nothing(vault, rows):
    assert rows().update(name="Grace") == 0
    assert vault.writes == []


def test_update_with_none_and_empty(vault, person):
    Person.objects.update(ssn=None, email="")
    assert (stored(person).ssn, stored(person).email) == (None, "")
    assert vault.writes == []


def test_update_of_json_with_an_empty_text(vault):
    Everything.objects.create(json=1)
    Everything.objects.update(json="")
    assert Everything.objects.get().json == ""


def test_update_by_the_attribute_of_the_token_takes_plaintext_too(vault, person):
    Person.objects.update(name_token="Grace")
    assert stored(person).name == "Grace"


@pytest.mark.parametrize(
    "expression",
    [
        F("name"),
        Coalesce(F("ssn"), F("name")),
        Case(When(age=0, then=F("name")), default=F("ssn")),
        Case(When(age=0, then=F("name")), default=Value(None)),
        Subquery(Person.objects.filter(pk=OuterRef("pk")).values("name")[:1]),
    ],
)
def test_update_copies_tokens(vault, person, expression):
    Person.objects.update(ssn=None)
    Person.objects.update(email=expression)
    assert stored(person).email == "Ada"
    assert vault.writes == []


@pytest.mark.parametrize(
    "expression",
    [
        Value("canary"),
        F("team"),
        Lower("name"),
        Case(When(age=0, then=Value("canary"))),
        Coalesce(F("ssn"), Value("canary")),
        Subquery(Person.objects.values("team")[:1]),
    ],
)
def test_update_that_would_store_no_token_is_refused(vault, person, expression):
    with pytest.raises(FieldError, match="stores reference tokens"), transaction.atomic():
        Person.objects.update(email=expression)
    assert stored(person).email == "ada@x.org"


def test_update_from_a_field_with_other_tokens_is_refused(vault):
    Account.objects.create(iban="1")
    with pytest.raises(FieldError), transaction.atomic():
        Account.objects.update(owner_ssn=F("note"))


def test_update_with_an_outage_changes_nothing(vault, person):
    vault.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        Person.objects.update(name="Grace")
    assert stored(person).name == "Ada"


def test_update_is_logged_without_plaintext(vault, person, settings, django_assert_num_queries):
    with django_assert_num_queries(1) as log:
        Person.objects.update(name="Canary")
    assert "Canary" not in str(log.captured_queries)
    assert stored(person).name == "Canary"


def test_failed_update_is_logged_without_plaintext(vault, person):
    vault.fail_with(ServiceUnavailable("down"), times=1)
    connection.force_debug_cursor = True
    try:
        with pytest.raises(ServiceUnavailable):
            Person.objects.update(name="Canary")
        assert "Canary" not in str(connection.queries)
    finally:
        connection.force_debug_cursor = False


# Many instances


def test_bulk_create_sends_full_batches(vault):
    Bare.objects.bulk_create([Bare(value=str(number)) for number in range(2500)])
    assert vault.writes == [1024, 1024, 452]
    assert [each.value for each in Bare.objects.order_by("pk")] == [str(number) for number in range(2500)]


def test_bulk_create_with_a_batch_size_sends_full_batches(vault):
    Bare.objects.bulk_create([Bare(value=str(number)) for number in range(2500)], batch_size=100)
    assert vault.writes == [1024, 1024, 452]


def test_bulk_create_leaves_tokens_in_the_instances(vault):
    people = Person.objects.bulk_create([Person(name="Ada"), Person(name="Grace")])
    assert column(Person, "name") == [person.name_token for person in people]
    assert [person.name for person in people] == ["Ada", "Grace"]


def test_bulk_create_ignoring_conflicts(vault):
    Bare.objects.create(number=1, value="kept")
    Bare.objects.bulk_create([Bare(number=1, value="lost"), Bare(number=2, value="new")], ignore_conflicts=True)
    assert [each.value for each in Bare.objects.order_by("number")] == ["kept", "new"]


def test_bulk_create_updating_conflicts(vault):
    Bare.objects.create(number=1, value="old")
    unique = {} if connection.vendor == "mysql" else {"unique_fields": ["number"]}
    Bare.objects.bulk_create(
        [Bare(number=1, value="new"), Bare(number=2, value="other")],
        update_conflicts=True,
        update_fields=["value"],
        **unique,
    )
    assert [each.value for each in Bare.objects.order_by("number")] == ["new", "other"]


def test_bulk_create_after_an_outage_works(vault):
    objects = [Bare(value=str(number)) for number in range(3)]
    vault.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        Bare.objects.bulk_create(objects)
    assert Bare.objects.count() == 0
    Bare.objects.bulk_create(objects)
    assert [each.value for each in Bare.objects.order_by("pk")] == ["0", "1", "2"]


def test_bulk_create_that_is_refused_leaves_nothing_behind(vault):
    unsaved = Person(name="Ada")
    with pytest.raises(ValueError, match="unsaved related object"):
        Order.objects.bulk_create([Order(address="first"), Order(person=unsaved, address="second")])
    person = Person.objects.create(name="Ada")
    vault.forget()
    Order.objects.bulk_create([Order(person=person, address="third")])
    assert vault.writes == [1]


def test_bulk_create_sets_automatic_dates(vault):
    Options.objects.bulk_create([Options()])
    assert Options.objects.get().created is not None


def test_bulk_update_sends_full_batches(vault):
    Bare.objects.bulk_create([Bare(value=str(number), other="x") for number in range(2500)])
    bares = list(Bare.objects.order_by("pk"))
    for bare in bares:
        bare.value = f"new {bare.pk}"
    vault.forget()
    assert Bare.objects.bulk_update(bares, ["value", "other"]) == 2500
    assert vault.writes == [1024, 1024, 452]
    assert all(bare.value == f"new {bare.pk}" for bare in Bare.objects.all())
    assert {bare.other for bare in Bare.objects.all()} == {"x"}


def test_bulk_update_writes_only_what_changed(vault):
    bares = Bare.objects.bulk_create([Bare(value="a"), Bare(value="b"), Bare(value=None)])
    bares = list(Bare.objects.order_by("pk"))
    bares[0].value = None
    bares[2].value = "c"
    vault.forget()
    Bare.objects.bulk_update(bares, ["value"])
    assert vault.writes == [1]
    assert [bare.value for bare in Bare.objects.order_by("pk")] == [None, "b", "c"]


def test_bulk_update_of_other_fields_leaves_changes_pending(vault):
    bare = Bare.objects.create(value="a", number=1)
    bare.value, bare.number = "b", 2
    vault.forget()
    Bare.objects.bulk_update([bare], ["number"])
    assert vault.writes == []
    bare.save()
    assert Bare.objects.get().value == "b"


def test_bulk_update_with_an_expression(vault):
    bare = Bare.objects.create(value="a")
    bare.other = F("value")
    Bare.objects.bulk_update([bare], ["other"])
    assert Bare.objects.get().other == "a"


def test_bulk_update_after_an_outage_works(vault):
    bares = Bare.objects.bulk_create([Bare(value="a"), Bare(value="b")])
    for bare in bares:
        bare.value += "!"
    vault.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        Bare.objects.bulk_update(bares, ["value"])
    assert [bare.value for bare in Bare.objects.order_by("pk")] == ["a", "b"]
    Bare.objects.bulk_update(bares, ["value"])
    assert [bare.value for bare in Bare.objects.order_by("pk")] == ["a!", "b!"]


def test_long_token_is_not_cut_by_a_bulk_update(vault):
    bare = Bare.objects.create(value="a")
    token = "chain_" + "f" * 249
    bare.value_token = token
    Bare.objects.bulk_update([bare], ["value"])
    assert column(Bare, "value") == [token]


# Deterministic and other kinds side by side


def test_fields_of_different_kinds_save_together(vault):
    account = Account.objects.create(iban="DE1", owner_ssn="2", note="n")
    assert sorted(vault.writes) == [1, 2]
    read = stored(account)
    assert (read.iban, read.owner_ssn, read.note) == ("DE1", "2", "n")


def test_equal_values_of_deterministic_fields_have_one_token(vault):
    assert Account.objects.create(iban="DE1").iban_token == Payee.objects.create(iban="DE1").iban_token
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(iban="DE1")
