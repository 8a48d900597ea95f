"""Fetch modes (Django 6.1) and async code."""

from __future__ import annotations

import asyncio

import django
import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, models
from django.db.models import aprefetch_related_objects

from django_altr.fields import PrefetchTokenized
from tests.models import Person

has_fetch_modes = pytest.mark.skipif(django.VERSION < (6, 1), reason="Fetch modes came with Django 6.1.")


@pytest.fixture
def people(vault):
    Person.objects.bulk_create([Person(name=f"name {index}") for index in range(5)])
    vault.forget()


@has_fetch_modes
def test_raise_blocks_lazy_reads(vault, people):
    from django.core.exceptions import FieldFetchBlocked

    (person, *_) = Person.objects.fetch_mode(models.FETCH_RAISE)
    with pytest.raises(FieldFetchBlocked, match="Person.name"):
        person.name  # noqa: B018
    assert vault.reads == []


@has_fetch_modes
def test_raise_allows_loading_ahead(vault, people):
    person = Person.objects.fetch_mode(models.FETCH_RAISE).prefetch_related("name")[0]
    assert person.name == "name 0"


@has_fetch_modes
def test_raise_allows_what_was_assigned(vault, people):
    person = Person.objects.fetch_mode(models.FETCH_RAISE)[0]
    person.name = "new"
    assert person.name == "new"


@has_fetch_modes
@pytest.mark.parametrize("mode", ["FETCH_ONE", "FETCH_PEERS"])
def test_other_modes_read_the_result_set(vault, people, mode):
    rows = list(Person.objects.fetch_mode(getattr(models, mode)))
    assert [person.name for person in rows] == [f"name {index}" for index in range(5)]
    assert vault.reads == [5]


@has_fetch_modes
def test_peers_of_deferred_columns_are_read_together(vault, people, django_assert_num_queries):
    rows = list(Person.objects.defer("name").fetch_mode(models.FETCH_PEERS))
    with django_assert_num_queries(1):
        assert rows[0].name == "name 0"
        assert rows[4].name == "name 4"
    assert vault.reads == [5]


def test_lazy_read_in_an_event_loop_is_refused(vault, people):
    person = Person.objects.all()[0]

    async def read():
        return person.name

    with pytest.raises(SynchronousOnlyOperation, match="prefetch_related"):
        asyncio.run(read())
    assert person.name == "name 0"


@pytest.mark.django_db(transaction=True)
def test_async_twins():
    async def story():
        person = await Person.objects.acreate(name="Ada")
        person.name = "Grace"
        await person.asave()
        await Person.objects.abulk_create([Person(name="Alan")])
        rows = [each async for each in Person.objects.prefetch_related("name")]
        assert [each.name for each in rows] == ["Grace", "Alan"]
        chunks = Person.objects.prefetch_related(PrefetchTokenized("name", "email")).aiterator(chunk_size=1)
        assert [each.name async for each in chunks] == ["Grace", "Alan"]
        plain = [each async for each in Person.objects.aiterator()]
        await aprefetch_related_objects(plain, "name")
        assert plain[1].name == "Alan"
        plain[1].name = "Kurt"
        await Person.objects.abulk_update(plain, ["name"])
        await Person.objects.filter(pk=plain[0].pk).aupdate(name="Emmy")
        lazy = await Person.objects.alast()
        assert await sync_to_async(lambda: lazy.name)() == "Kurt"
        fresh = await Person.objects.afirst()
        await fresh.arefresh_from_db()
        assert await sync_to_async(lambda: fresh.name)() == "Emmy"
        made, created = await Person.objects.aget_or_create(age=7, defaults={"name": "Lise"})
        assert created and made.name == "Lise"
        await sync_to_async(connections.close_all)()  # the executor's thread has its own

    asyncio.run(story())
