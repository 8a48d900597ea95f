from __future__ import annotations

from django.urls import path

from .site import site

urlpatterns = [path("admin/", site.urls)]
