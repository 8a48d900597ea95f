"""Two tables side by side, one tokenized and one plain: whatever is done to both, they read the same."""

from __future__ import annotations

import copy
import os
import pickle
import sys
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_altr import vaults
from django_altr.exceptions import ServiceUnavailable
from tests.models import PlainTwin, Twin

NAMES = ("name", "number", "data", "key")

# NUL and lone surrogates are no text of PostgreSQL's plain columns, which are the other side here.
text = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
json = st.none() | st.recursive(st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3), st.lists, max_leaves=4)
number = st.none() | st.integers(-5, 5)
VALUES = {"name": text, "number": number, "data": json, "key": st.none() | st.sampled_from("abc")}
values = st.fixed_dictionaries({}, optional=VALUES)
names = st.sampled_from(NAMES)
index = st.integers(0, 50)


def needs_a_token(name: str, value: Any) -> bool:
    return value is not None and (value != "" or name == "data")


class Rollback(Exception):
    pass


class TwoTables(RuleBasedStateMachine):
    """Pairs of instances, one of each table, with the same primary key."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[Twin, PlainTwin]] = []
        self.next_pk = 1
        self.vault: Any = vaults["default"]

    @initialize()
    def empty(self) -> None:
        Twin.objects.all().delete()
        PlainTwin.objects.all().delete()
        self.vault.clear()

    # What the steps share

    def new(self, given: dict[str, Any]) -> tuple[Twin, PlainTwin]:
        pk, self.next_pk = self.next_pk, self.next_pk + 1
        return Twin(pk=pk, **copy.deepcopy(given)), PlainTwin(pk=pk, **copy.deepcopy(given))

    def pair(self, at: int) -> tuple[Twin, PlainTwin]:
        return self.pairs[at % len(self.pairs)]

    def both(self, at: int, change: Any) -> None:
        for instance in self.pair(at):
            change(instance)

    def asked(self, operation: str) -> int:
        return sum(1 for name, _ in self.vault.calls if name == operation)

    def check_requests(self, *, writes: int = 0, reads: int = 0) -> None:
        assert self.asked("tokenize") <= writes
        assert self.asked("detokenize") <= reads
        self.vault.calls.clear()

    # Making rows

    @rule(given=values)
    def create(self, given: dict[str, Any]) -> None:
        pair = self.new(given)
        for each in pair:
            each.save(force_insert=True)
        self.pairs.append(pair)
        self.check_requests(writes=2 if any(needs_a_token(*item) for item in given.items()) else 0)

    @rule(given=st.lists(values, min_size=1, max_size=4), size=st.none() | st.integers(1, 3))
    def bulk_create(self, given: list[dict[str, Any]], size: int | None) -> None:
        pairs = [self.new(each) for each in given]
        Twin.objects.bulk_create([tokenized for tokenized, _ in pairs], batch_size=size)
        PlainTwin.objects.bulk_create([plain for _, plain in pairs])
        self.pairs.extend(pairs)
        self.check_requests(writes=2)

    @precondition(lambda self: self.pairs)
    @rule(at=index)
    def duplicate(self, at: int) -> None:
        pair = self.pair(at)
        pk, self.next_pk = self.next_pk, self.next_pk + 1
        twins = copy.copy(pair[0]), copy.copy(pair[1])
        for each in twins:
            each.pk, each._state.adding = pk, True
            each.save(force_insert=True)
        self.pairs.append(twins)  # type: ignore[arg-type]
        self.check_requests(writes=2)

    # Changing them

    @precondition(lambda self: self.pairs)
    @rule(at=index, given=values)
    def assign(self, at: int, given: dict[str, Any]) -> None:
        for each in self.pair(at):
            for name, value in given.items():
                setattr(each, name, copy.deepcopy(value))
        self.check_requests()

    @precondition(lambda self: self.pairs)
    @rule(at=index, item=st.integers(0, 3))
    def change_in_place(self, at: int, item: int) -> None:
        for each in self.pair(at):
            if isinstance(each.data, list):
                each.data.append(item)
        self.vault.calls.clear()

    @precondition(lambda self: self.pairs)
    @rule(at=index)
    def save(self, at: int) -> None:
        self.both(at, lambda each: each.save())
        self.check_requests(writes=2)
        self.both(at, lambda each: each.save())
        self.check_requests()

    @precondition(lambda self: self.pairs)
    @rule(at=index, name=names, by_token=st.booleans())
    def save_one_field(self, at: int, name: str, by_token: bool) -> None:
        tokenized, plain = self.pair(at)
        tokenized.save(update_fields=[f"{name}_token" if by_token else name])
        plain.save(update_fields=[name])
        self.check_requests(writes=1)

    @precondition(lambda self: self.pairs)
    @rule(at=st.lists(index, min_size=1, max_size=4), changed=st.sets(names, min_size=1))
    def bulk_update(self, at: list[int], changed: set[str]) -> None:
        pairs = {id(pair): pair for pair in map(self.pair, at)}.values()
        Twin.objects.bulk_update([tokenized for tokenized, _ in pairs], changed)
        PlainTwin.objects.bulk_update([plain for _, plain in pairs], changed)
        self.check_requests(writes=2)

    @rule(given=values, below=index)
    def update(self, given: dict[str, Any], below: int) -> None:
        # Django's plain JSONField writes JSON's null here where save() writes SQL's NULL.
        given = {name: value for name, value in given.items() if name != "data" or value is not None}
        for model in (Twin, PlainTwin):
            model.objects.filter(pk__lt=below).update(**given, group=below)
        self.check_requests(writes=2)

    @rule(below=index)
    def copy_column(self, below: int) -> None:
        for model in (Twin, PlainTwin):
            model.objects.filter(pk__lt=below).update(group=F("group") + 1)
        self.check_requests()

    # Failing

    @precondition(lambda self: self.pairs)
    @rule(at=index, given=values)
    def save_in_an_outage(self, at: int, given: dict[str, Any]) -> None:
        self.assign(at, given)
        tokenized, plain = self.pair(at)
        self.vault.fail_with(ServiceUnavailable("down"))
        try:
            tokenized.save()
        except ServiceUnavailable:
            pass
        else:
            plain.save()
        finally:
            self.vault.fail_with(None)
            self.vault.calls.clear()

    @precondition(lambda self: self.pairs)
    @rule(at=index, given=values)
    def save_and_roll_back(self, at: int, given: dict[str, Any]) -> None:
        self.assign(at, given)
        for each in self.pair(at):
            try:
                with transaction.atomic():
                    each.save()
                    raise Rollback
            except Rollback:
                pass
        self.vault.calls.clear()

    # Reading

    @precondition(lambda self: self.pairs)
    @rule(at=index)
    def refresh(self, at: int) -> None:
        self.both(at, lambda each: each.refresh_from_db())
        self.check_requests()

    @precondition(lambda self: self.pairs)
    @rule(at=index, name=names)
    def defer(self, at: int, name: str) -> None:
        pk = self.pair(at)[0].pk
        self.pairs[at % len(self.pairs)] = (
            Twin.objects.defer(name).get(pk=pk),
            PlainTwin.objects.defer(name).get(pk=pk),
        )
        self.check_requests()

    @rule()
    def reload_all(self) -> None:
        plain = PlainTwin.objects.in_bulk()
        self.pairs = [(each, plain[each.pk]) for each in Twin.objects.all()]
        self.check_requests()

    @precondition(lambda self: self.pairs)
    @rule(at=index)
    def pickle(self, at: int) -> None:
        tokenized, plain = self.pair(at)
        try:
            data = pickle.dumps(tokenized)
        except pickle.PicklingError:
            return
        self.pairs[at % len(self.pairs)] = pickle.loads(data), pickle.loads(pickle.dumps(plain))
        self.check_requests()

    @rule(value=st.sampled_from("abcd"))
    def find(self, value: str) -> None:
        found = [set(model.objects.filter(key=value).values_list("pk", flat=True)) for model in (Twin, PlainTwin)]
        assert found[0] == found[1]
        self.check_requests(writes=1)

    @rule(value=st.sets(st.sampled_from("abcd")))
    def find_several(self, value: set[str]) -> None:
        found = [set(model.objects.exclude(key__in=value).values_list("pk", flat=True)) for model in (Twin, PlainTwin)]
        assert found[0] == found[1]
        self.check_requests(writes=1)

    @precondition(lambda self: self.pairs)
    @rule(at=index)
    def delete(self, at: int) -> None:
        pair = self.pair(at)
        pk = pair[0].pk
        for each in pair:
            type(each).objects.filter(pk=pk).delete()
        self.pairs = [each for each in self.pairs if each[0].pk != pk]
        self.check_requests()

    # What holds after each step

    @invariant()
    def instances_read_the_same(self) -> None:
        type(self).steps += 1
        for tokenized, plain in self.pairs:
            for name in NAMES:
                assert getattr(tokenized, name) == getattr(plain, name)
        self.vault.calls.clear()

    @invariant()
    def tables_read_the_same(self) -> None:
        plain = list(PlainTwin.objects.order_by("pk").values_list("pk", *NAMES, "group"))
        rows = list(Twin.objects.order_by("pk"))
        assert [(row.pk, *(getattr(row, name) for name in NAMES), row.group) for row in rows] == plain
        self.check_requests(reads=len(NAMES))

    @invariant()
    def columns_hold_tokens_only(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(map(connection.ops.quote_name, NAMES))} FROM tests_twin")
            for row in cursor.fetchall():
                assert all(value in (None, "") or self.vault.is_token(value) for value in row)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.django_db
def test_tokenized_table_is_the_plain_table(request):
    examples = int(os.environ.get("ALTR_MODEL_EXAMPLES", "50"))
    TwoTables.steps = 0
    run_state_machine_as_test(
        TwoTables,
        settings=settings(
            max_examples=examples,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            print_blob=True,
        ),
    )
    seed = request.config.getoption("randomly_seed", None)
    sys.stdout.write(f"{TwoTables.steps} steps, random seed {seed}\n")
