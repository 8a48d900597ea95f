"""An API over the test models, as a project would write it."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from rest_framework import filters, serializers, viewsets
from rest_framework.pagination import PageNumberPagination
from rest_framework.routers import DefaultRouter

from django_altr.rest_framework import NoStoreMixin, exception_handler
from tests.models import Account, Everything, Membership, Options, Order, Person

NAMES = ["id", "name", "email", "ssn", "age"]


def serializer(model: Any, fields: Any = "__all__", **meta: Any) -> Any:
    """Return a plain ``ModelSerializer`` class for the model."""
    options = type("Meta", (), {"model": model, "fields": fields, **meta})
    return type(f"{model.__name__}Serializer", (serializers.ModelSerializer,), {"Meta": options})


MaskedPerson = serializer(Person, NAMES)
RevealedPerson = serializer(Person, NAMES, reveal="__all__")
MaskedEverything = serializer(Everything)
RevealedEverything = serializer(Everything, reveal="__all__")
RevealedOptions = serializer(Options, reveal="__all__")
RevealedAccount = serializer(Account, ["id", "iban", "note", "balance"], reveal="__all__")
MembershipSerializer = serializer(Membership)


class RevealedOrder(serializers.ModelSerializer):  # type: ignore[type-arg]
    person = RevealedPerson()

    class Meta:
        model = Order
        fields = ["id", "person", "address"]
        reveal = ["address"]


class Pages(PageNumberPagination):
    page_size = 25


class View(NoStoreMixin, viewsets.ModelViewSet):  # type: ignore[type-arg]
    pagination_class = Pages
    permission_classes: tuple[Any, ...] = ()

    def get_exception_handler(self) -> Any:
        return exception_handler


class People(View):
    queryset = Person.objects.all()
    serializer_class = MaskedPerson


class RevealedPeople(View):
    queryset = Person.objects.all()
    serializer_class = RevealedPerson


class Accounts(View):
    queryset = Account.objects.order_by("pk")
    serializer_class = RevealedAccount
    filter_backends = (filters.SearchFilter,)
    search_fields = ("iban__exact", "iban__token__exact")


class Everythings(View):
    queryset = Everything.objects.order_by("pk")
    serializer_class = MaskedEverything


router = DefaultRouter()
router.register("people", People, "person")
router.register("revealed", RevealedPeople, "revealed")
router.register("accounts", Accounts)
router.register("everything", Everythings)

urlpatterns = [path("api/", include(router.urls))]
