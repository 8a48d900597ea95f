"""The search box of a change list: by reference token, and by exact plaintext where the field is deterministic."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import BaseModelAdmin
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..backends import vaults
from ..exceptions import AltrError
from ..fields import TokenizedField
from ..fields.codecs import encode
from ..fields.writes import tokenized_fields
from .references import tokenized_path

__all__ = ["SearchesTokens"]


class SearchesTokens(BaseModelAdmin):  # type: ignore[type-arg]
    """Search the plain fields as Django does, and the tokenized ones by what their columns hold."""

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        """Return the admin's search fields; if there are none the tokenized ones, to be found by their tokens."""
        return super().get_search_fields(request) or [field.name for field in tokenized_fields(self.model)]  # type: ignore

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        plain, listed = _split(self.model, self.get_search_fields(request))
        term = search_term.strip()
        found, duplicates = self._plain_results(request, queryset, search_term, plain)
        if not term:
            return found, duplicates
        wanted = Q(pk__in=found.order_by().values("pk")) if plain else Q(pk__in=[])
        for path, token in _tokens(self, request, term, listed):
            wanted |= Q(**{f"{path}__token": token})
        return queryset.filter(wanted), duplicates or any("__" in path for path in listed)

    def _plain_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str, fields: Sequence[str]
    ) -> tuple[QuerySet[Any], bool]:
        searcher = copy.copy(self)
        searcher.get_search_fields = lambda request: fields  # type: ignore[method-assign]
        return super(SearchesTokens, searcher).get_search_results(request, queryset, search_term)  # type: ignore


def _split(model: type[Model], names: Sequence[str]) -> tuple[list[str], dict[str, TokenizedField]]:
    """Return the search fields that are plain, and the tokenized ones by their paths."""
    plain, tokenized = [], {}
    for name in names:
        path = name.lstrip("^=@$").removesuffix("__exact").removesuffix("__token")
        if field := tokenized_path(model, path):
            tokenized[path] = field
        else:
            plain.append(name)
    return plain, tokenized


def _tokens(
    model_admin: Any, request: HttpRequest, term: str, listed: dict[str, TokenizedField]
) -> Iterator[tuple[str, str]]:
    """Give the paths that can be searched, each with the token that its column has to hold."""
    every = {field.name: field for field in tokenized_fields(model_admin.model)}
    for path, field in {**every, **listed}.items():
        if vaults[field.vault].is_token(term):
            yield path, term
        elif path in listed and field.deterministic:
            try:
                yield path, _deterministic_token(field, term)
            except ValidationError:
                pass  # no value of this field
            except AltrError:
                text = _("The vault cannot be reached: %(field)s was not searched.") % {"field": field.verbose_name}
                model_admin.message_user(request, text, messages.WARNING)


def _deterministic_token(field: TokenizedField, term: str) -> str:
    text = encode(field.base_field, field.base_field.to_python(term))
    return vaults[field.vault].tokenize_many([text], deterministic=True)[0]
