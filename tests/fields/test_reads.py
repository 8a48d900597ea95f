"""Every way to read rows costs one batch a column."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest
from django.db.models import Case, CharField, Count, F, Max, Min, OuterRef, Prefetch, Q, Subquery, Value, When
from django.db.models.functions import Cast, Coalesce, Upper
from django.template import Context, Template

from django_altr.exceptions import DetokenizationBlocked, ServiceUnavailable, TokenNotFound
from django_altr.fields import PrefetchTokenized, detokenize, no_detokenization
from django_altr.signals import detokenized
from tests.models import Bare, Concrete, Contact, ContactProxy, Order, Person, Supplier

NAMES = [f"name {index}" for index in range(30)]


@pytest.fixture
def people(vault):
    Person.objects.bulk_create([Person(name=name, email=f"{name[5:]}@x.org", ssn=name[::-1]) for name in NAMES])
    for person in Person.objects.all():
        Order.objects.create(person=person, address=f"home of {person.name}")
    vault.forget()
    return list(Person.objects.all())


# Instances


def test_query_reads_nothing(vault, people):
    assert [person.name_token[:6] for person in Person.objects.all()] == ["chain_"] * 30
    assert vault.reads == []


def test_first_touch_reads_the_whole_result_set(vault, people):
    assert people[0].name == "name 0"
    assert vault.reads == [30]
    assert [person.name for person in people] == NAMES
    assert vault.reads == [30]


def test_fields_are_read_one_at_a_time(vault, people):
    [(person.name, person.email) for person in people]
    assert vault.reads == [30, 30]


def test_rows_that_are_gone_are_not_read(vault, people):
    kept = people[3:5]
    people.clear()
    gc.collect()
    assert kept[0].name == "name 3"
    assert vault.reads == [2]


def test_plaintext_is_freed_with_its_row(vault, people):
    class Canary:
        pass

    people[0].name  # noqa: B018
    cell = people[0].__dict__["name_token"]
    people[0].name = people[1].name
    canary = Canary()
    cell._value = canary
    alive = weakref.ref(canary)
    del cell, canary
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("count", [1, 2, 1024, 1025, 2000])
def test_rows_cost_a_request_for_each_full_batch(vault, count):
    Bare.objects.bulk_create([Bare(value=str(index)) for index in range(count)])
    vault.forget()
    assert [bare.value for bare in Bare.objects.order_by("pk")] == [str(index) for index in range(count)]
    assert len(vault.reads) == -(-count // 1024)


def test_equal_tokens_are_asked_for_once(vault, people):
    token = people[0].name_token
    for person in people[1:10]:
        person.name_token = token
        person.save()
    vault.forget()
    assert [person.name for person in Person.objects.all()[:10]] == ["name 0"] * 10
    assert vault.reads == [1]


@pytest.mark.parametrize(
    "rows",
    [
        lambda: Person.objects.all()[5:15],
        lambda: Person.objects.filter(age=0).exclude(pk=-1)[:10],
        lambda: Person.objects.only("name")[:10],
        lambda: Person.objects.defer("email")[:10],
        lambda: Person.objects.order_by().union(Person.objects.order_by().filter(pk=-1)).order_by("pk")[:10],
        lambda: Person.objects.distinct()[:10],
        lambda: Person.objects.raw("SELECT * FROM tests_person ORDER BY id LIMIT 10"),
        lambda: Person.objects.annotate(n=Count("orders")).order_by("pk")[:10],
        lambda: Person.objects.reverse()[:10],
        lambda: Person.objects.in_bulk().values(),
        lambda: [order.person for order in Order.objects.select_related("person")[:10]],
        lambda: [order.person for order in Order.objects.prefetch_related("person")[:10]],
        lambda: pickle.loads(pickle.dumps(list(Person.objects.all()[:10]))),
        lambda: pickle.loads(pickle.dumps(Person.objects.all()[:10])),
        lambda: copy.deepcopy(list(Person.objects.all()[:10])),
        lambda: [copy.copy(person) for person in Person.objects.all()[:10]],
    ],
)
def test_way_to_rows_costs_one_request(vault, people, rows):
    expected = {person.pk: name for person, name in zip(people, NAMES, strict=True)}
    people.clear()
    gc.collect()
    read = list(rows())
    assert [person.name for person in read] == [expected[person.pk] for person in read]
    assert len(read) >= 10
    assert len(vault.reads) == 1


def test_template_costs_one_request_a_column(vault, people):
    text = Template("{% for p in people %}{{ p.name }},{% endfor %}").render(Context({"people": Person.objects.all()}))
    assert text == ",".join(NAMES) + ","
    assert vault.reads == [30]


@pytest.mark.parametrize("method", ["first", "last", "get", "latest", "earliest"])
def test_single_row_reads_one_value(vault, people, method):
    rows = Person.objects.filter(pk=people[4].pk)
    person = getattr(rows, method)(*["pk"] if method in ("latest", "earliest") else [])
    assert person.name == "name 4"
    assert vault.reads == [1]


def test_deferred_field_is_loaded_when_it_is_touched(vault, people, django_assert_num_queries):
    person = Person.objects.defer("name").get(pk=people[0].pk)
    with django_assert_num_queries(1):
        assert person.name == "name 0"


def test_refresh_drops_what_was_read(vault, people):
    person = people[0]
    assert person.name == "name 0"
    Person.objects.filter(pk=person.pk).update(name="changed")
    person.refresh_from_db()
    assert person.name == "changed"


@pytest.mark.parametrize("name", ["name", "name_token"])
def test_refresh_of_one_field_by_either_name(vault, people, name):
    person = people[0]
    person.name = "never saved"
    person.refresh_from_db(fields=[name])
    assert person.name == "name 0"


def test_queries_of_the_same_model_do_not_share_their_rows(vault, people):
    first, second = list(Person.objects.all()[:5]), list(Person.objects.all()[5:10])
    people.clear()
    gc.collect()
    assert first[0].name == "name 0"
    assert vault.reads == [5]
    assert second[0].name == "name 5"
    assert vault.reads == [5, 5]


def test_interleaved_queries_keep_their_rows_apart(vault, people):
    one, two = Person.objects.all()[:10].iterator(), Person.objects.all()[10:20].iterator()
    pairs = list(zip(one, two, strict=True))
    people.clear()
    gc.collect()
    assert [(a.name, b.name) for a, b in pairs] == list(zip(NAMES[:10], NAMES[10:20], strict=True))
    assert vault.reads == [10, 10]


# Loading ahead


def test_prefetch_reads_with_the_query(vault, people):
    people = list(Person.objects.prefetch_related("name"))
    assert vault.reads == [30]
    assert [person.name for person in people] == NAMES
    assert vault.reads == [30]


def test_prefetch_goes_through_relations(vault, people):
    orders = list(Order.objects.prefetch_related("person__name"))
    assert vault.reads == [30]
    assert [order.person.name for order in orders] == NAMES
    assert vault.reads == [30]


def test_prefetch_goes_through_reverse_relations(vault, people):
    people = list(Person.objects.prefetch_related("orders__address"))
    assert [person.orders.all()[0].address for person in people][3] == "home of name 3"
    assert vault.reads == [30]


def test_prefetch_goes_through_prefetch_objects(vault, people):
    orders = Prefetch("orders", Order.objects.prefetch_related("address"), to_attr="parcels")
    people = list(Person.objects.prefetch_related(orders))
    assert people[3].parcels[0].address == "home of name 3"
    assert vault.reads == [30]


def test_prefetch_of_a_tokenized_field_refuses_a_queryset(vault, people):
    with pytest.raises(ValueError, match="cannot give it a queryset"):
        list(Person.objects.prefetch_related(Prefetch("name", Order.objects.all())))


def test_prefetch_serves_iterator_in_chunks(vault, people):
    rows = Person.objects.prefetch_related("name").iterator(chunk_size=10)
    assert [person.name for person in rows] == NAMES
    assert vault.reads == [10, 10, 10]


def test_several_fields_load_in_one_request(vault, people):
    people = list(Person.objects.prefetch_related(PrefetchTokenized("name", "email", "ssn"))[:25])
    assert vault.reads == [75]
    assert [(person.name, person.email, person.ssn) for person in people][1] == ("name 1", "1@x.org", "1 eman")
    assert vault.reads == [75]


def test_several_fields_load_through_a_relation(vault, people):
    lookup = PrefetchTokenized("person__name", "person__email")
    assert [order.person.email for order in Order.objects.prefetch_related(lookup)][1] == "1@x.org"
    assert vault.reads == [60]


def test_several_fields_load_for_instances_at_hand(vault, people):
    detokenize(people[:10], "name", "email")
    assert vault.reads == [20]


def test_prefetch_of_several_fields_is_of_one_path():
    with pytest.raises(ValueError, match="one for each path"):
        PrefetchTokenized("name", "person__email")
    with pytest.raises(ValueError, match="at least one"):
        PrefetchTokenized()


def test_queryset_with_a_prefetch_of_several_fields_is_pickled(vault, people):
    rows = Person.objects.prefetch_related(PrefetchTokenized("name", "email"))
    assert len(pickle.loads(pickle.dumps(rows))) == 30


def test_prefetch_reads_only_what_is_not_read(vault, people):
    rows = list(Person.objects.all())
    assert rows[0].name
    detokenize(rows, "name")
    assert vault.reads == [30]


def test_reading_row_by_row_is_noticed(vault, people, caplog):
    people.clear()
    gc.collect()
    assert [person.name for person in Person.objects.iterator()] == NAMES
    assert vault.reads == [1] * 30
    (record,) = caplog.records
    assert "add .prefetch_related('name') before .iterator" in record.getMessage()


# Values


def test_values_are_reference_tokens_that_can_be_called(vault, people):
    tokens = list(Person.objects.values_list("name", flat=True))
    assert tokens == [person.name_token for person in people]
    assert vault.reads == []
    assert [token() for token in tokens] == NAMES
    assert vault.reads == [30]


@pytest.mark.parametrize("name", ["name", "name_token"])
def test_values_by_either_name(vault, people, name):
    assert Person.objects.values(name).first()[name]() == "name 0"


def test_named_values(vault, people):
    rows = list(Person.objects.values_list("name", "email", named=True))
    assert rows[2].email() == "2@x.org"
    assert vault.reads == [30]


def test_values_through_a_relation(vault, people):
    rows = list(Order.objects.values_list("person__name", flat=True).order_by("pk"))
    assert [token() for token in rows] == NAMES
    assert vault.reads == [30]


def test_template_does_not_reveal_values(vault, people):
    row = Person.objects.values("name").first()
    assert Template("{{ row.name }}").render(Context({"row": row})) == people[0].name_token
    assert vault.reads == []


def test_pickled_values_are_read_together(vault, people):
    tokens = pickle.loads(pickle.dumps(list(Person.objects.values_list("name", flat=True))))
    assert [token() for token in tokens] == NAMES
    assert vault.reads == [30]


def test_value_of_an_unknown_token_is_an_error_of_its_own(vault, people):
    vault.delete_many([people[0].name_token])
    first, second = Person.objects.values_list("name", flat=True)[:2]
    assert second() == "name 1"
    with pytest.raises(TokenNotFound):
        first()


@pytest.mark.parametrize(
    "expression",
    [
        F("name"),
        Case(When(age=0, then=F("name")), default=F("email")),
        Coalesce("name", "email"),
        Min("name"),
        Max("name"),
        Subquery(Person.objects.filter(pk=OuterRef("pk")).values("name")[:1]),
        Cast("name", Person._meta.get_field("name")),
    ],
)
def test_expression_over_the_column_keeps_the_token(vault, people, expression):
    rows = list(Person.objects.annotate(it=expression).order_by("pk"))
    assert [row.it() for row in rows] == NAMES
    assert [row.name for row in rows] == NAMES
    assert vault.reads == [30, 30]


def test_expression_that_changes_the_token_is_text(vault, people):
    row = Person.objects.annotate(it=Upper("name")).first()
    assert row.it == people[0].name_token.upper()
    assert not callable(row.it)


def test_token_as_text(vault, people):
    assert Person.objects.values_list("name__token", flat=True).first() == people[0].name_token
    assert Person.objects.annotate(t=Cast("name", CharField())).first().t == people[0].name_token


def test_aggregates_over_tokens(vault, people):
    counted = Person.objects.aggregate(
        n=Count("name"), distinct=Count("name", distinct=True), some=Count("ssn", filter=Q(age=1))
    )
    assert counted == {"n": 30, "distinct": 30, "some": 0}
    assert Person.objects.aggregate(m=Max("name"))["m"]() in NAMES


def test_other_columns_cost_nothing(vault, people):
    list(Person.objects.values_list("age", "team"))
    assert vault.backend.calls == []


def test_constant_beside_the_column(vault, people):
    Person.objects.filter(pk=people[0].pk).update(ssn=None)
    rows = Person.objects.annotate(it=Coalesce("ssn", Value("nothing"))).order_by("pk")
    assert rows[0].it == "nothing"


# Inheritance


def test_child_of_multi_table_inheritance(vault):
    Supplier.objects.create(phone="1", tax_id="2")
    Supplier.objects.create(phone="3", tax_id="4")
    vault.forget()
    assert [(each.phone, each.tax_id) for each in Supplier.objects.order_by("pk")] == [("1", "2"), ("3", "4")]
    assert vault.reads == [2, 2]
    assert [each.phone for each in Contact.objects.order_by("pk")] == ["1", "3"]


def test_proxy_and_abstract_models(vault):
    ContactProxy.objects.create(phone="1")
    Concrete.objects.create(secret="s")
    assert ContactProxy.objects.get().phone == "1"
    assert Concrete.objects.get().secret == "s"


# Failing


def test_unknown_token_does_not_poison_its_neighbours(vault, people):
    vault.delete_many([people[7].name_token])
    assert [person.name for person in people if person != people[7]] == NAMES[:7] + NAMES[8:]
    with pytest.raises(TokenNotFound) as caught:
        people[7].name  # noqa: B018
    assert caught.value.tokens == (people[7].name_token,)
    with pytest.raises(TokenNotFound):
        people[7].name  # noqa: B018
    assert vault.reads == [30]


def test_outage_is_an_error_and_a_later_read_works(vault, people):
    vault.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(ServiceUnavailable):
        people[0].name  # noqa: B018
    assert people[0].name == "name 0"


def test_outage_is_never_saved_as_a_value(vault, people):
    vault.fail_with(ServiceUnavailable("down"))
    people[0].age = 5
    people[0].save()
    vault.fail_with(None)
    assert Person.objects.get(pk=people[0].pk).name == "name 0"


def test_fence_blocks_every_read(vault, people):
    values = Person.objects.values_list("name", flat=True)
    with no_detokenization():
        for read in (
            lambda: people[0].name,
            lambda: values[0](),
            lambda: list(Person.objects.prefetch_related("name")),
            lambda: vault.detokenize_many([people[0].name_token]),
        ):
            with pytest.raises(DetokenizationBlocked):
                read()
        assert people[0].name_token
    assert people[0].name == "name 0"


def test_signal_tells_what_was_read(vault, people):
    heard = []

    def listen(sender, **kwargs):
        heard.append((sender, kwargs["fields"], kwargs["tokens"], kwargs["vault"]))

    detokenized.connect(listen)
    try:
        people[0].name  # noqa: B018
    finally:
        detokenized.disconnect(listen)
    assert heard == [(Person, ("name",), tuple(person.name_token for person in people), "default")]


def test_str_of_each_row_costs_one_request(vault, people):
    assert [str(person) for person in people] == NAMES
    assert vault.reads == [30]


def test_deep_copy_of_a_row_that_was_loaded_and_not_touched_yet(vault, people):
    loaded = Person.objects.prefetch_related("name").first()
    duplicate = copy.deepcopy(loaded)
    assert duplicate.name == loaded.name
