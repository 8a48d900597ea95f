from __future__ import annotations

from django.urls import path

from .views import CustomerList

app_name = "shop"
urlpatterns = [path("customers/", CustomerList.as_view(), name="customers")]
