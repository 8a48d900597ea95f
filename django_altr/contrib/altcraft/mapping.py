"""Which rows become which profiles: one ``ProfileMapping`` for each model, registered like a ModelAdmin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, ClassVar

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP

from django_altr.fields import TokenizedField

from .conf import DEFAULT_ALIAS

__all__ = [
    "MATCHING",
    "AlreadyRegistered",
    "NotRegistered",
    "ProfileMapping",
    "Registry",
    "Source",
    "register",
    "registry",
]

#: What a profile field is made from: the name of a model field (``"address__city"`` too), or a callable of the row.
Source = str | Callable[[Any], Any]

#: Ways of matching -> the profile field that holds the matching value (``None``: ``matching_field`` names it).
MATCHING: dict[str, str | None] = {"email": "email", "phone": "phones", "custom": None}


class AlreadyRegistered(Exception):
    """The model has a mapping already."""


class NotRegistered(LookupError):
    """The model has no mapping."""


class ProfileMapping:
    """How the rows of ``model`` become profiles. Subclass it, and ``register`` it for the model."""

    #: The database in Altcraft.
    db_id: ClassVar[int]
    #: The resource whose subscriptions are looked up too when matching by email or phone.
    resource_id: ClassVar[int | None] = None
    #: How the platform finds the profile of a row: ``"email"``, ``"phone"`` or ``"custom"``.
    matching: ClassVar[str] = "email"
    #: The profile field to match by, of ``matching = "custom"``.
    matching_field: ClassVar[str | None] = None
    #: Profile field -> what it is made from. ``phones`` may be made from a single phone number.
    fields: ClassVar[Mapping[str, Source]] = {}
    #: Tokenized fields that the callables read. Not needed, but it saves requests: they are loaded with the others.
    reads: ClassVar[Sequence[str]] = ()
    #: What tells whether a row may be sent. A row that may not (any more) has its profile deleted. (To use a method,
    #: override ``has_consent``.)
    consent: ClassVar[Source | None] = None
    #: The field with the time of the last change, for ``altcraft_sync --since``.
    modified: ClassVar[str | None] = None
    #: Deliver rows after each commit that saves or deletes one, by Django's Tasks.
    on_change: ClassVar[bool] = False
    #: The entry of ``settings.ALTCRAFT``.
    using: ClassVar[str] = DEFAULT_ALIAS

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if isinstance(consent := cls.__dict__.get("consent"), FunctionType):
            # A function in a class is a method; this one takes the row, as those in `fields` do.
            cls.consent = staticmethod(consent)

    def __init__(self, model: type[Model]) -> None:
        self.model = model

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.label}>"

    @property
    def label(self) -> str:
        return self.model._meta.label

    @property
    def matching_key(self) -> str | None:
        """The profile field that holds the matching value."""
        return MATCHING.get(self.matching) or self.matching_field

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that are delivered. Rows outside of it are left alone, at the platform too."""
        return self.model._default_manager.all()

    def has_consent(self, row: Any) -> bool:
        """Tell whether the row may be sent."""
        return self.consent is None or bool(value_of(row, self.consent))

    def get_profile(self, row: Any) -> dict[str, Any]:
        """Return the profile of a row, as JSON values."""
        profile = {name: value_of(row, source) for name, source in self.fields.items()}
        if isinstance(phone := profile.get("phones"), str):
            profile["phones"] = [phone] if phone else []
        return profile

    def tokenized(self) -> list[str]:
        """Return the tokenized fields that a profile is made from, as lookups (``"address__street"``)."""
        names = [source for source in self.fields.values() if isinstance(source, str)]
        return [name for name in dict.fromkeys([*names, *self.reads]) if self._is_tokenized(name)]

    def with_related(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the queryset, joined to the tables that the sources go through."""
        sources = [*self.fields.values(), *self.reads, self.consent]
        paths = {source.rpartition(LOOKUP_SEP)[0] for source in sources if isinstance(source, str)} - {""}
        return queryset.select_related(*sorted(paths)) if paths else queryset

    def consent_is_tokenized(self) -> bool:
        return isinstance(self.consent, str) and self._is_tokenized(self.consent)

    def _is_tokenized(self, name: str) -> bool:
        return isinstance(list(walk(self.model, name))[-1], TokenizedField)


def walk(model: type[Model], path: str) -> Iterator[Field[Any, Any]]:
    """Give the fields along a path of relations; raises ``FieldDoesNotExist`` where it leads nowhere."""
    names = path.split(LOOKUP_SEP)
    for position, name in enumerate(names, start=1):
        field: Any = model._meta.get_field(name)
        yield field
        if position < len(names):
            if not (field.many_to_one or field.one_to_one):
                raise FieldDoesNotExist(f"{model._meta.label}.{name} leads to no single row.")
            model = field.related_model


def value_of(row: Any, source: Source) -> Any:
    """Return what a source gives for a row; ``None`` where a relation on the way is empty."""
    if callable(source):
        return source(row)
    for name in source.split(LOOKUP_SEP):
        row = None if row is None else getattr(row, name)
    return row


class Registry:
    """The mappings by model."""

    def __init__(self) -> None:
        self._mappings: dict[type[Model], ProfileMapping] = {}

    def register(self, model: type[Model], mapping_class: type[ProfileMapping]) -> None:
        if model in self._mappings:
            raise AlreadyRegistered(f"{model._meta.label} has a mapping already: {self._mappings[model]!r}.")
        self._mappings[model] = mapping_class(model)

    def unregister(self, model: type[Model]) -> None:
        self[model]
        del self._mappings[model]

    def __getitem__(self, model: type[Model]) -> ProfileMapping:
        try:
            return self._mappings[model]
        except KeyError:
            raise NotRegistered(
                f"{model._meta.label} has no mapping: register one in its app's altcraft.py with "
                f"@altcraft.register({model.__name__})."
            ) from None

    def __iter__(self) -> Iterator[ProfileMapping]:
        return iter(self._mappings.values())

    def __len__(self) -> int:
        return len(self._mappings)

    def by_label(self, label: str) -> ProfileMapping:
        """Return the mapping of ``"app_label.Model"``."""
        for mapping in self:
            if mapping.label.lower() == label.lower():
                return mapping
        raise NotRegistered(f"{label} has no mapping.")

    def of_instance(self, instance: Model) -> Iterator[ProfileMapping]:
        """Give the mappings that a row is delivered by: a child's row is its parent's too."""
        return (mapping for mapping in self if isinstance(instance, mapping.model._meta.concrete_model or ()))


registry = Registry()


def register(*models: type[Model]) -> Callable[[type[ProfileMapping]], type[ProfileMapping]]:
    """Register the decorated ``ProfileMapping`` for the models."""

    def decorate(mapping_class: type[ProfileMapping]) -> type[ProfileMapping]:
        for model in models:
            registry.register(model, mapping_class)
        return mapping_class

    return decorate
