from __future__ import annotations

from django.contrib import admin

from django_altr.admin import TokenizedAdminMixin

from .models import Customer, Order


class OrderInline(admin.TabularInline):
    model = Order
    extra = 0


@admin.register(Customer)
class CustomerAdmin(TokenizedAdminMixin, admin.ModelAdmin):
    list_display = ["id", "name", "email", "phone", "segment", "created"]
    list_filter = ["segment"]
    search_fields = ["=id"]
    date_hierarchy = "created"
    inlines = [OrderInline]
    reveal_reason = "required"


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["id", "customer", "placed", "total", "status"]
    list_filter = ["status"]
    list_select_related = ["customer"]
    search_fields = ["=id", "=customer__id"]
    autocomplete_fields = ["customer"]
    date_hierarchy = "placed"
