from __future__ import annotations

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.views.generic import ListView

from .models import Customer


class CustomerList(PermissionRequiredMixin, ListView):
    """A page of customers; the template reads two tokenized fields, which costs two vault requests."""

    model = Customer
    paginate_by = 25
    permission_required = ["shop.view_customer", "shop.reveal_customer"]
