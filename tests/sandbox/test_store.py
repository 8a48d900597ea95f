"""What is stored stays, for many threads at once."""

from __future__ import annotations

import itertools
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_altr.sandbox import Sandbox
from django_altr.sandbox.store import CapExceeded, Store

from .client import Client


@pytest.fixture
def store():
    made = Store()
    yield made
    made.close()


def counter():
    numbers = itertools.count()
    return lambda: f"t{next(numbers)}"


def test_a_file_keeps_values_deterministic_tokens_and_the_size(tmp_path):
    path = tmp_path / "vault.sqlite3"
    first = Store(path)
    first.add("a", b"Ada", b"label")
    [token] = first.add_deterministic("x", lambda: "d", [b"Bob"])
    first.close()
    second = Store(path)
    assert second.get("a") == (b"Ada", b"label")
    assert second.add_deterministic("x", lambda: "new", [b"Bob"]) == [token]
    assert (second.size, len(second)) == (6, 2)
    second.close()


def test_a_batch_is_stored_whole_or_not_at_all(store):
    with pytest.raises(sqlite3.IntegrityError):
        store.add_many(lambda: "same", [b"a", b"b"])
    assert (len(store), store.size) == (0, 0)
    store.add("t", b"x")
    assert store.get("t") == (b"x", None)


def test_more_values_than_sqlite_takes_variables(store):
    tokens = store.add_many(counter(), [b"x"] * 40_000)
    assert len(store.get_many(tokens)) == 40_000
    store.delete_many(tokens)
    assert (len(store), store.size) == (0, 0)


def test_the_cap_counts_bytes_and_deletion_makes_room():
    store = Store(cap=3)
    store.add("a", b"abc")
    for write in (
        lambda: store.add("b", b"x"),
        lambda: store.add_many(lambda: "c", [b"x"]),
        lambda: store.add_deterministic("", lambda: "d", [b"x"]),
    ):
        with pytest.raises(CapExceeded):
            write()
    store.delete_many(["a", "unknown"])
    store.add("b", b"abc")
    assert store.size == 3
    store.close()


def test_an_equal_deterministic_value_takes_no_room():
    store = Store(cap=3)
    assert store.add_deterministic("", counter(), [b"abc", b"abc"]) == ["t0", "t0"]
    assert store.add_deterministic("", counter(), [b"abc"]) == ["t0"]
    store.close()


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Store(path)


@pytest.mark.parametrize("in_file", [False, True])
def test_many_clients_at_once(tmp_path, in_file):
    def work(number):
        client = Client(sandbox.url)
        try:
            tokens = {str(i): client.new_token(f"{number}-{i}".encode()) for i in range(10)}
            shared = client.post_batch({"x": "shared"}, X_ALTR_DETERMINISM="true").json()["x"]
            return client.get_batch(tokens).json() == {str(i): f"{number}-{i}" for i in range(10)}, shared
        finally:
            client.close()

    with Sandbox(data=tmp_path / "vault.sqlite3" if in_file else None) as sandbox:
        with ThreadPoolExecutor(20) as pool:
            results = list(pool.map(work, range(40)))
        assert all(right for right, _ in results)
        assert len({shared for _, shared in results}) == 1
        assert len(sandbox.store) == 401
        assert sandbox.connections == 40
