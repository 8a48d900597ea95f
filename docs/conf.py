"""Sphinx: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django_altr

settings.configure(
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django_altr"],
    ALTR={"default": {"BACKEND": "django_altr.backends.locmem.LocMemBackend"}},
)
django.setup()

project = "django-altr"
author = "The django-altr authors"
copyright = "2026, The django-altr authors"  # noqa: A001
version = release = django_altr.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "leaks-table.md", "performance-table.md"]
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = f"django-altr {release}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
