"""From reference tokens to plaintext: whole result sets at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import (
    Case,
    Expression,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Model,
    Prefetch,
    Subquery,
    When,
    prefetch_related_objects,
)
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Col
from django.db.models.functions import Cast, Coalesce
from django.db.models.sql import Query
from django.utils.asyncio import async_unsafe

from ..markers import ERASED, is_erased
from ..masks import MASK, is_masking
from ..signals import detokenized
from .cells import UNSET, Pending, Token, ValueToken, cell_of, cells_of, is_unloaded
from .rows import Peers, peers_of

if TYPE_CHECKING:
    from . import TokenizedField

__all__ = ["PlaintextAttribute", "PrefetchTokenized", "ReadToken", "TokenCol", "detokenize", "load", "token_reader"]

#: Requests for single rows of one query that are worth a warning.
_MANY_SINGLE_READS = 10

logger = logging.getLogger("django_altr")


@async_unsafe(
    "A tokenized value is read from the vault here, which blocks. In async code load it first, with "
    "prefetch_related(...) or aprefetch_related_objects(...), or read it in sync_to_async(...)."
)
def load(fields: Sequence[TokenizedField], instances: Iterable[Model]) -> None:
    """Read the plaintext of the fields' unloaded cells from the vault, each token once.

    Raises what ``detokenize_many`` raises, but for unknown tokens: those raise ``TokenNotFound`` when their value is
    read.
    """
    instances = list(instances)
    for vault in dict.fromkeys(field.vault for field in fields):
        _load_from(vault, [field for field in fields if field.vault == vault], instances)


def _load_from(vault: str, fields: Sequence[TokenizedField], instances: Sequence[Model]) -> None:
    # One flat list: a container for each value would keep the garbage collector busy.
    tokens: list[str] = []
    owners = {field: _unloaded(cells_of(instances, field.attname), instances, tokens) for field in fields}
    if not tokens:
        return
    asked, found = iter(tokens), iter(_in_order(_find(vault, tokens), tokens))
    for field in fields:
        _fill(field, owners[field], asked, found)
    del found
    _announce(vault, fields, tokens, type(instances[0]))


def _unloaded(cells: list[Any], instances: Sequence[Model], tokens: list[str]) -> Sequence[Model]:
    """Return the instances whose value is not known; add their tokens to ``tokens``."""
    if _are_unloaded(cells):
        tokens += cells
        return instances
    found = [(instance, str(cell)) for instance, cell in zip(instances, cells, strict=True) if is_unloaded(cell)]
    tokens += [token for _, token in found]
    return [instance for instance, _ in found]


def _are_unloaded(cells: list[Any]) -> bool:
    """Tell of all cells at once, a call for none, whether a query left them; else only a look at each can tell."""
    return set(map(type, cells)) == {str} and all(cells) and ERASED[-1] not in "".join(cells)


def _in_order(texts: Mapping[str, str], tokens: list[str]) -> Iterable[str | None]:
    """Return the texts of the tokens, ``None`` for those that are not known."""
    if list(texts) == tokens:  # the same strings: nothing has to be looked up
        return texts.values()
    return map(texts.get, tokens)


def _fill(field: TokenizedField, owners: Iterable[Model], tokens: Iterator[str], texts: Iterator[str | None]) -> None:
    """Let each instance have its token with the text. What comes after the last one stays in the iterators."""
    attname = field.attname
    make: Callable[[str], Token] = field.text_token or partial(ValueToken, field=field)
    for instance, token, text in zip(owners, tokens, texts, strict=False):
        if getattr(instance, attname) != token:  # what another thread put here meanwhile was not asked for
            continue
        if text is None:
            cell: Token = ValueToken.missing(token, field)
        else:
            cell = make(token)
            cell._text = text
        setattr(instance, attname, cell)


def _find(vault: str, tokens: Iterable[str]) -> dict[str, str]:
    from ..backends import vaults

    return vaults[vault].find_many(tokens)


def _announce(vault: str, fields: Sequence[TokenizedField], tokens: Iterable[str], model: type[Model]) -> None:
    if detokenized.has_listeners(model):
        names = tuple(field.name for field in fields)
        detokenized.send(sender=model, fields=names, tokens=tuple(dict.fromkeys(tokens)), vault=vault)


def detokenize(instances: Iterable[Model], *lookups: str) -> None:
    """Load several tokenized fields of instances in one request per vault.

    ``lookups`` are field names, also through relations (``"customer__ssn"``) with one common path.
    """
    together: Any = PrefetchTokenized  # the type checker's plugin cannot follow a Prefetch of this kind
    prefetch_related_objects(list(instances), together(*lookups))


class PrefetchTokenized(Prefetch):  # type: ignore[type-arg]
    """Load several tokenized fields together: ``prefetch_related(PrefetchTokenized("name", "email"))``.

    One request per vault and 1,024 values, where naming each field alone costs one request a field. The names may go
    through relations, all along one path: ``PrefetchTokenized("customer__name", "customer__email")``.
    """

    def __init__(self, *lookups: str) -> None:
        if not lookups:
            raise ValueError("PrefetchTokenized needs the name of at least one tokenized field.")
        paths = {lookup.rpartition(LOOKUP_SEP)[0] for lookup in lookups}
        if len(paths) > 1:
            raise ValueError("The fields of one PrefetchTokenized are of one model: use one for each path.")
        super().__init__(lookups[0])
        self.queryset = _Names(lookup.rpartition(LOOKUP_SEP)[2] for lookup in lookups)  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()


class _Names(tuple[str, ...]):
    """Travels where a ``Prefetch`` has its queryset, to the descriptor."""


class PlaintextAttribute:
    """``instance.<name>``: the plaintext, lazily; what ``prefetch_related`` and fetch modes work with.

    ``together``: the fields that are read in the same go; by default only this one.
    """

    def __init__(self, field: TokenizedField, together: Sequence[TokenizedField] = ()) -> None:
        self.field = field
        self._together = list(together) or [field]
        self._attname = field.attname
        #: The type of nearly every loaded cell. Told by the first read: the base field's type is complete by then.
        self._loaded: type[Token] | None = None

    def __get__(self, instance: Model | None, owner: type[Model] | None = None) -> Any:
        if instance is None:
            return self
        cell = getattr(instance, self._attname)
        # What nearly every call finds comes first.
        if type(cell) is self._loaded and not is_masking():
            value = cell._value
            if value is not UNSET:
                return value
        return self._read(instance, cell)

    def _read(self, instance: Model, cell: Any) -> Any:
        self._loaded = self.field.text_token or ValueToken
        if cell and is_masking():
            return MASK
        if is_unloaded(cell):
            self._fetch(instance)
            cell = getattr(instance, self._attname)
            if is_unloaded(cell):  # such as a peer's load that did not include this one
                load([self.field], [instance])
                cell = getattr(instance, self._attname)
        return self._value(cell)

    def __set__(self, instance: Model, value: Any) -> None:
        # Only looks at the cell: assigning to a deferred or unloaded field must read nothing.
        instance._state.altr_assigned = True  # type: ignore[attr-defined]
        cell = cell_of(instance, self._attname)
        if type(value) is str and value and not cell:  # a text for a new instance
            cell = Pending(self.field, value, instance)
        else:
            cell = self._cell_for(instance, cell, value)
        setattr(instance, self._attname, cell)

    def _cell_for(self, instance: Model, cell: Any, value: Any) -> Any:
        if value is None or isinstance(value, Token) or hasattr(value, "resolve_expression"):
            return value
        if self.field.is_empty(value):
            return ""
        if isinstance(cell, Token) and cell.holds(value):
            return cell.with_value(value)
        if is_erased(cell) and self.field.is_placeholder(value):
            return cell
        return Pending(self.field, value, instance)

    def _value(self, cell: Any) -> Any:
        if isinstance(cell, Token):
            return cell.value
        if cell == "":
            return self.field.empty_value
        if is_erased(cell):
            return self.field.get_erased(cell)
        return cell() if callable(cell) else cell

    def _fetch(self, instance: Model) -> None:
        mode = getattr(instance._state, "fetch_mode", None)
        if mode is None:  # Django 5.2 and 6.0
            self.fetch_one(instance)
        else:
            mode.fetch(self, instance)

    # A fetcher (Django 6.1)

    def fetch_one(self, instance: Model) -> None:
        """Read the value, and in the same go those of the rows that came with it."""
        peers = peers_of(instance)
        if peers is None:
            self.fetch_many([instance])
            return
        with peers.reading():
            # Unless another thread, which has the same rows, has just read it.
            if is_unloaded(getattr(instance, self._attname)):
                rows = list(peers)
                self.fetch_many(rows)
                if len(rows) == 1:
                    self._notice_single_read(peers)

    def _notice_single_read(self, peers: Peers[Model]) -> None:
        # Rows of iterator() come one at a time: there is nobody to read together with.
        peers.single_reads += 1
        if peers.single_reads == _MANY_SINGLE_READS:
            logger.warning(
                "%s is read row by row, %d requests so far for one query. Rows of iterator() come one at a time: "
                "add .prefetch_related(%r) before .iterator(chunk_size=...).",
                self.field,
                peers.single_reads,
                self.field.name,
            )

    def fetch_many(self, instances: Iterable[Model]) -> None:
        load(self._together, instances)

    # A prefetcher, as a GenericForeignKey is

    def is_cached(self, instance: Model) -> bool:
        # What cannot be read is for whoever touches it to find out, not for a prefetch.
        cell = getattr(instance, self._attname)
        return not (is_unloaded(cell) or is_erased(cell))

    def get_prefetch_querysets(self, instances: Sequence[Model], querysets: Sequence[Any] | None = None) -> Any:
        names = querysets[0] if querysets else [self.field.name]
        if not isinstance(names, _Names | list):
            raise ValueError(f"{self.field} is a tokenized field: Prefetch() cannot give it a queryset.")
        fields = [instances[0]._meta.get_field(name) for name in names]
        load(fields, instances)  # type: ignore[arg-type]
        return [], None, id, True, self.field.name, False


# Values of queries that make no instances


class ReadToken(ValueToken):
    """A reference token out of ``values()`` or an annotation: call it for the plaintext of it and its peers."""

    __slots__ = ("__weakref__", "_peers")
    _peers: Peers[ReadToken]
    do_not_call_in_templates = True

    def __call__(self) -> Any:
        """Return the plaintext; the first call reads the whole column of the result set."""
        if not self.is_loaded:
            _load_values(self._field, [self, *self._peers])
        return self.value

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (str(self), self._field, self._peers)


def _unpickle(token: str, field: TokenizedField, peers: Peers[ReadToken]) -> ReadToken:
    self = ReadToken(token, field)
    self._peers = peers
    peers.add(self)
    return self


@async_unsafe("A tokenized value is read from the vault here, which blocks. In async code use sync_to_async(...).")
def _load_values(field: TokenizedField, tokens: Iterable[ReadToken]) -> None:
    # By identity: equal tokens of two rows are two cells.
    waiting = [token for token in {id(token): token for token in tokens}.values() if not token.is_loaded]
    references = list(map(str, waiting))
    _fill_values(waiting, _find(field.vault, references))
    _announce(field.vault, [field], references, field.model)


def _fill_values(tokens: Iterable[ReadToken], texts: Mapping[str, str]) -> None:
    for token in tokens:
        text = texts.get(str(token))
        token._missing, token._text = text is None, text or ""


#: Expressions whose result is one of their sources' values: a token stays one.
_TRANSPARENT = (Col, F, Case, When, Cast, Coalesce, ExpressionWrapper, Max, Min, Subquery, Query)


def token_reader(field: TokenizedField) -> Callable[[Any, Expression, Any], Any]:
    """Return a converter for one column of one query."""
    peers: Peers[ReadToken] = Peers()

    def convert(value: Any, expression: Expression, connection: Any) -> Any:
        if not value or not isinstance(expression, _TRANSPARENT):
            return value
        return _unpickle(value, field, peers)

    return convert


class TokenCol(Col):
    """A tokenized field's column. In a query of model instances it stays as it is: ``from_db`` tracks the rows."""

    reads_values = False

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        query = compiler.query
        self.reads_values = not query.default_cols or any(
            annotation is self for annotation in query.annotation_select.values()
        )
        return super().select_format(compiler, sql, params)

    def get_db_converters(self, connection: Any) -> list[Any]:
        return super().get_db_converters(connection) if self.reads_values else []
