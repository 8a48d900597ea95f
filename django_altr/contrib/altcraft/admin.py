"""What was delivered, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from .models import Batch, Delivery

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("model", "row", "state", "error", "profile_id", "when", "unwanted")
    list_filter = ("model", "state", "unwanted")
    search_fields = ("=row", "=profile_id")


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = ("request_id", "model", "method", "size", "created", "sending")
    list_filter = ("model", "method")
