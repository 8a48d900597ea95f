"""From pending plaintext to reference tokens: everything that one operation writes goes to the vault together."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from itertools import compress, repeat
from operator import not_
from types import FrameType
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.signals import pre_save

from ..exceptions import InvalidResponse
from ..lifecycle.journal import MADE, journal_of
from ..redact import Redacted
from .cells import Pending, Token, ValueToken, cell_of
from .rows import peers_of

if TYPE_CHECKING:
    from . import TokenizedField

__all__ = [
    "tokenize",
    "tokenize_bulk_writes",
    "tokenize_on_save",
    "tokenize_parameters",
    "tokenized_fields",
    "trusted_token",
]


def tokenized_fields(model: type[Model], names: Collection[str] | None = None) -> Sequence[TokenizedField]:
    """Return the model's tokenized fields; with names, those that go by one of them (``name`` or ``attname``)."""
    fields = _all_tokenized_fields(model._meta)
    if names is None:
        return fields
    return [field for field in fields if field.name in names or field.attname in names]


_NEVER_ASKED: tuple[None, list[TokenizedField]] = None, []


def _all_tokenized_fields(options: Any) -> list[TokenizedField]:
    # Asked for every instance that is saved. Django makes a new list of columns when a field is added.
    columns, fields = getattr(options, "_altr_tokenized", _NEVER_ASKED)
    if columns is not options.concrete_fields:
        from . import TokenizedField

        fields = [field for field in options.concrete_fields if isinstance(field, TokenizedField)]
        options._altr_tokenized = options.concrete_fields, fields
    return fields


def tokenize_on_save() -> None:
    """Let ``save()`` tokenize what changed, before its transaction begins."""
    # Without a sender: proxies and children of multi-table inheritance save their parents' fields too.
    pre_save.connect(_tokenize_instance, dispatch_uid="django_altr.tokenize")


# Tokenizing


class _Texts(Sequence[str]):
    """The plaintext of pending values: an error report that shows this shows a number."""

    def __init__(self, texts: Redacted[list[str]]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: Any) -> Any:
        return self._texts.reveal()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts.reveal())

    def __repr__(self) -> str:
        return f"<plaintext of {len(self)} values>"


def tokenize(pendings: Iterable[Pending]) -> None:
    """Give every pending value its reference token.

    Values of one vault travel together, different vaults side by side. Whatever was stored keeps its token when
    something else fails, so that a later attempt does not store it again.
    """
    calls = _calls_for(pendings)
    if len(calls) > 1:
        with ThreadPoolExecutor(len(calls)) as pool:
            errors = list(pool.map(_Call.run, calls))
    else:
        errors = [call.run() for call in calls]
    for error in errors:
        if error is not None:
            raise error


def _calls_for(pendings: Iterable[Pending]) -> list[_Call]:
    together: dict[tuple[str, bool, bool], _Call] = {}
    field = None
    for pending in pendings:
        if pending.cell is not None:
            pending.give_way(pending.cell)
            continue
        if pending.output_field is not field:
            field = pending.field
            key = field.vault_key
            call = together[key] = together.get(key) or _Call(*key)
        call.pendings.append(pending)
    for call in together.values():
        call.take_texts()
    return [call for call in together.values() if call.pendings]


class _Call:
    """One call of ``tokenize_many``."""

    def __init__(self, vault: str, deterministic: bool, with_metadata: bool) -> None:
        self.vault = vault
        self.deterministic = deterministic
        self.with_metadata = with_metadata
        self.pendings: deque[Pending] = deque()
        self.texts: Redacted[list[str]] = Redacted([])

    def take_texts(self) -> None:
        """Encode the values; settle the empty texts: there is nothing to protect."""
        self.texts = Redacted(list(map(Pending.text, self.pendings)))
        if all(self.texts.reveal()):
            return
        texts, self.texts = self.texts, Redacted(list(filter(None, self.texts.reveal())))
        pendings, self.pendings = self.pendings, deque(compress(self.pendings, texts.reveal()))
        for pending in compress(pendings, map(not_, texts.reveal())):
            pending.give_way("")

    def run(self) -> Exception | None:
        try:
            tokens = self._tokenize()
        except Exception as error:
            self._record(getattr(error, "stored_tokens", ()))
            return error
        self._record(tokens)
        pendings = self.pendings
        for token, text in zip(tokens, self.texts.reveal(), strict=True):
            pendings.popleft().settle(token, text)  # as _letting_go() does, which takes 0.2 microseconds a value more
        return None

    def _record(self, tokens: Sequence[str]) -> None:
        """Put the new tokens into the vault's journal, if it has one, before a statement stores them."""
        if tokens and (journal := journal_of(self.vault)) is not None:
            labels: dict[str, list[str]] = defaultdict(list)
            every = " or ".join(dict.fromkeys(str(pending.field) for pending in self.pendings))
            exact = len(tokens) == len(self.pendings)
            fields = map(str, (pending.field for pending in self.pendings)) if exact else repeat(every)
            for field, token in zip(fields, tokens, strict=False):
                labels[field].append(token)
            journal.record(MADE, labels)

    def _tokenize(self) -> list[str]:
        from ..backends import vaults

        vault = vaults[self.vault]
        metadata = None
        if self.with_metadata and vault.supports_metadata:
            metadata = [pending.field.get_metadata(pending.instance) for pending in self.pendings]
        tokens = vault.tokenize_many(_Texts(self.texts), metadata=metadata, deterministic=self.deterministic)
        if len(tokens) != len(self.pendings):
            raise InvalidResponse(f"{vault!r} gave {len(tokens)} tokens for {len(self.pendings)} values.")
        return tokens


def _letting_go(pendings: deque[Pending]) -> Iterator[Pending]:
    """Yield what is kept by nobody then: many objects that live together keep the garbage collector busy."""
    while pendings:
        yield pendings.popleft()


def tokenize_parameters(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Turn the pending values among a statement's parameters into tokens, when it really runs.

    An execute wrapper: what is only compiled (``str(queryset.query)``, an update of no rows) writes nothing.
    """
    pendings = [param for param in params or () if isinstance(param, Pending)]
    if pendings:
        tokenize(pendings)
        params = tuple(param.token if isinstance(param, Pending) else param for param in params)
    return execute(sql, params, many, context)


# One instance


def trusted_token(instance: Model, field: TokenizedField, cell: str) -> Token:
    """Return a plain ``str`` cell as a token.

    It is one if it came from the database. On an instance that code made, it was assigned to ``<name>_token``, or it
    is a positional argument: then it has to look like a token, for plaintext must never reach the column.
    """
    from ..backends import vaults

    if isinstance(cell, Token):
        return cell
    if peers_of(instance) is None and instance._state.adding and not vaults[field.vault].is_token(cell):
        raise ValueError(
            f"{field}: {field.attname} was given something that is no reference token. Assign plaintext to "
            f"{field.name!r}, as a keyword: {type(instance).__name__}({field.name}=...)."
        )
    return ValueToken(cell, field)


def _pending_cell(instance: Model, field: TokenizedField, add: bool) -> Pending | None:
    """Bring the field's cell into the form in which it can be saved; return it if it is still pending."""
    if field.is_automatic:
        field.set_automatic_value(instance, add)
    cell = getattr(instance, field.attname)
    if not isinstance(cell, Pending):
        if not (isinstance(cell, str) and cell):
            return None
        cell = trusted_token(instance, field, cell)
        setattr(instance, field.attname, cell)
        if not cell.is_mutated:
            return None
        cell = Pending(field, cell.value, instance)
        setattr(instance, field.attname, cell)
    if cell.instance is not instance:  # a default, or the cell of an instance that this one is a copy of
        cell.instance = instance
    return cell


def _tokenize_instance(
    sender: type[Model], instance: Model, raw: bool = False, update_fields: Collection[str] | None = None, **kwargs: Any
) -> None:
    fields = tokenized_fields(type(instance), update_fields)
    if raw:
        _take_as_tokens(instance, fields)
    elif fields:
        add = instance._state.adding
        tokenize([pending for field in fields if (pending := _pending_cell(instance, field, add))])


def _take_as_tokens(instance: Model, fields: Iterable[TokenizedField]) -> None:
    # loaddata: the value of a fixture is the reference token.
    for field in fields:
        cell = cell_of(instance, field.attname)
        if isinstance(cell, Pending) and cell.cell is None:
            cell = cell.value
        if isinstance(cell, str) and cell:
            cell = ValueToken(cell, field)
        setattr(instance, field.attname, cell)


# Many instances


class _Bulk:
    """The pending cells of one ``bulk_create`` or ``bulk_update``, whose statements may be many."""

    def __init__(self, caller: FrameType, model: type[Model], fields: Sequence[TokenizedField]) -> None:
        #: The frame that prepares the objects, one after the other. Another one is another operation: this one failed
        #: before its first statement, and its values must not be written with those of the next.
        self.caller: FrameType | None = caller
        self.model = model
        #: The fields that are written.
        self.fields = fields
        self.pendings: deque[Pending] = deque()
        self.flush = self._tokenize

    def _tokenize(self) -> None:
        _current.bulk = self.caller = None
        for pending in self.pendings:
            pending.flush = None
        tokenize(_letting_go(self.pendings))


class _Current(threading.local):
    bulk: _Bulk | None = None


_current = _Current()


def tokenize_bulk_writes(model: type[Model]) -> None:
    """Let ``bulk_create`` and ``bulk_update`` of the model reach the vault with all their objects at once.

    Both hand every object to this method of the model before they build the first of their statements.
    """
    if getattr(model, "_altr_collects_bulk_writes", False):
        return
    model._altr_collects_bulk_writes = True  # type: ignore[attr-defined]
    prepare = model._prepare_related_fields_for_save  # type: ignore[attr-defined]

    @wraps(prepare)
    def collecting(self: Model, operation_name: str, fields: Any = None) -> None:
        try:
            prepare(self, operation_name, fields)
            if operation_name != "save":
                _collect(self, fields, operation_name == "bulk_create", sys._getframe(1))
        except BaseException:
            _current.bulk = None
            raise

    model._prepare_related_fields_for_save = collecting  # type: ignore[attr-defined]


def _collect(instance: Model, written: Collection[Any] | None, add: bool, caller: FrameType) -> None:
    # Done for every object: nothing here that could be done once.
    model, bulk = type(instance), _current.bulk
    if bulk is not None and (bulk.caller is not caller or bulk.model is not model):
        bulk = None
    for field in _written_fields(model, written) if bulk is None else bulk.fields:
        pending = _pending_cell(instance, field, add)
        if pending is not None:
            if bulk is None:
                bulk = _current.bulk = _Bulk(caller, model, _written_fields(model, written))
            pending.flush = bulk.flush
            bulk.pendings.append(pending)


def _written_fields(model: type[Model], written: Collection[Any] | None) -> Sequence[TokenizedField]:
    fields = _all_tokenized_fields(model._meta)
    return fields if written is None else [field for field in fields if field in written]
