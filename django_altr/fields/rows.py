"""Rows that came from one query, so that touching one value reads those of all of them.

``Model.from_db`` is the only place that sees every instance that a query makes, with and without a custom manager. All
rows of a query share its ``field_names`` list, and that is what tells one query's rows from another's.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from operator import call
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.db.models.base import ModelState

__all__ = ["Peers", "peers_of", "track_rows"]

T = TypeVar("T")

#: Seconds that a thread waits for another one's read. (In a forked child, that one may be left behind in the parent.)
MAX_WAIT = 30


class Peers(Generic[T]):
    """Weak references to things that are read together. Pickled and copied without them."""

    __slots__ = ("__weakref__", "_reading", "key", "limit", "references", "single_reads")

    def __init__(self, key: object = None) -> None:
        self.key = key
        self.single_reads = 0
        self.references: list[weakref.ref[T]] = []
        #: As many references make it look for dead ones.
        self.limit = 4096
        self._reading = threading.RLock()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Wait until no other thread reads for these; not forever, for then both may read."""
        alone = self._reading.acquire(timeout=MAX_WAIT)
        try:
            yield
        finally:
            if alone:
                self._reading.release()

    def add(self, member: T) -> None:
        self.references.append(weakref.ref(member))
        if len(self.references) > self.limit:
            self.forget_dead()

    def forget_dead(self) -> None:
        """Drop references: ``iterator()`` over a large table leaves mostly dead ones. A few tell whether it is one."""
        if any(each() is None for each in self.references[::61]):
            self.references[:] = [each for each in self.references if each() is not None]
        self.limit = max(4096, 2 * len(self.references))

    def __iter__(self) -> Iterator[T]:
        return iter([member for member in map(call, list(self.references)) if member is not None])

    def __copy__(self) -> Peers[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Peers[T]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Peers, ()


class _Latest:
    """The query that the last row came from: nearly always that of the next one, too. Threads may share it."""

    #: Its ``field_names``, its rows, and the references to them: one look for each row.
    query: tuple[object, Peers[Model], list[weakref.ref[Model]]]

    def __init__(self) -> None:
        self.remember(Peers())

    def remember(self, peers: Peers[Model]) -> None:
        self.query = peers.key, peers, peers.references


_latest = _Latest()
_by_key: weakref.WeakValueDictionary[int, Peers[Model]] = weakref.WeakValueDictionary()


def _peers_for(field_names: object) -> Peers[Model]:
    peers = _by_key.get(id(field_names))
    if peers is None or peers.key is not field_names:
        # The peers keep the list alive: while they are known, no other list can have its id.
        peers = _by_key[id(field_names)] = Peers(field_names)
    _latest.remember(peers)
    return peers


def _reserve_names() -> None:
    """Let Python store our attributes of ``_state`` as it stores Django's, in every row.

    It does so for the names that a class's first thirty instances had, and one more. Any other costs each row a
    dictionary: up to a tenth of the time that it takes to read it, and one more object to collect.
    """
    state = ModelState()
    for name in [*vars(ModelState), "altr_peers", "altr_assigned"]:
        if not name.startswith("__"):
            setattr(state, name, getattr(state, name, None))


_reserve_names()


def peers_of(instance: Model) -> Peers[Model] | None:
    """Return the rows that came with this one; ``None`` for an instance that no query made."""
    return getattr(instance._state, "altr_peers", None)


def track_rows(model: type[Model]) -> None:
    """Let the model's instances know the rows that came from the same query."""
    if getattr(model, "_altr_tracks_rows", False):
        return
    model._altr_tracks_rows = True  # type: ignore[attr-defined]
    _track_from_db(model)
    _track_unpickled(model)


def _track_from_db(model: type[Model]) -> None:
    from_db = model.from_db.__func__  # type: ignore[attr-defined]
    latest, reference = _latest, weakref.ref

    @wraps(from_db)
    def tracked(cls: type[Model], db: str, field_names: Any, values: Any, fetch_mode: Any = None) -> Model:
        # Done for every row: nothing here that could be done once. Python would make a dictionary for **kwargs.
        instance: Model
        if fetch_mode is None:  # Django 5.2 and 6.0
            instance = from_db(cls, db, field_names, values)
        else:
            instance = from_db(cls, db, field_names, values, fetch_mode=fetch_mode)
        key, peers, references = latest.query
        if key is not field_names:
            peers = _peers_for(field_names)
            references = peers.references
        instance._state.altr_peers = peers  # type: ignore[attr-defined]
        references.append(reference(instance))
        if len(references) > peers.limit:
            peers.forget_dead()
        return instance

    model.from_db = classmethod(tracked)  # type: ignore[assignment, method-assign]


def _track_unpickled(model: type[Model]) -> None:
    setstate = model.__setstate__  # type: ignore[attr-defined]

    @wraps(setstate)
    def tracked(self: Model, state: dict[str, Any]) -> None:
        setstate(self, state)
        if (peers := peers_of(self)) is not None:
            peers.add(self)

    model.__setstate__ = tracked  # type: ignore[attr-defined]
