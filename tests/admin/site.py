"""An admin site over the models of the test suite."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.contenttypes.admin import GenericTabularInline

from django_altr.admin import TokenizedAdminMixin
from tests.models import Account, Everything, Labelled, Named, Options, Order, Person, Remark, Twin

site = admin.AdminSite(name="altr")


class OrderInline(TokenizedAdminMixin, admin.TabularInline):
    model = Order
    extra = 1


@admin.register(Person, site=site)
class PersonAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    list_display = ["pk", "email", "ssn", "team"]
    search_fields = ["team"]
    inlines = [OrderInline]
    save_as = True
    reveal_seconds = 7


@admin.register(Order, site=site)
class OrderAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    list_display = ["pk", "person__ssn"]
    list_select_related = ["person"]
    autocomplete_fields = ["person"]


@admin.register(Account, site=site)
class AccountAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    list_display = ["pk", "iban", "note", "balance"]
    list_editable = ["iban", "note", "balance"]
    search_fields = ["iban"]
    reveal_reason = "required"


@admin.register(Everything, site=site)
class EverythingAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    reveal_reason = "no"


class RemarkInline(TokenizedAdminMixin, GenericTabularInline):
    model = Remark
    extra = 0


@admin.register(Options, site=site)
class OptionsAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    inlines = [RemarkInline]
    save_as = True
    radio_fields = {"level": admin.HORIZONTAL}


@admin.register(Labelled, site=site)
class LabelledAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    """With an override that forgets its super(), as people write them."""

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        return ["fixed"]


class NamedInline(TokenizedAdminMixin, admin.StackedInline):
    model = Named
    extra = 1


@admin.register(Named, site=site)
class NamedAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    list_display = ["__str__", "secret"]
    inlines = [NamedInline]


@admin.register(Twin, site=site)
class TwinAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    reveal_reason = "no"
