from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AltrConfig(AppConfig):
    name = "django_altr"
    label = "django_altr"
    verbose_name = _("ALTR tokenization")
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        super().import_models()
        # Before any admin module is loaded, whatever the order of INSTALLED_APPS.
        if apps.is_installed("django.contrib.admin"):
            from django.contrib.admin.options import FORMFIELD_FOR_DBFIELD_DEFAULTS

            from .fields import TokenizedField

            FORMFIELD_FOR_DBFIELD_DEFAULTS[TokenizedField] = {"masked": True}

    def ready(self) -> None:
        from . import checks, serializers  # noqa: F401

        serializers.register()
        if apps.is_installed("django.contrib.admin"):
            from .admin import checks as admin_checks  # noqa: F401
        if apps.is_installed("rest_framework"):
            from . import rest_framework  # noqa: F401
        if apps.is_installed("django.contrib.auth"):
            from .permissions import create_reveal_permissions

            post_migrate.connect(create_reveal_permissions, dispatch_uid="django_altr.permissions")
