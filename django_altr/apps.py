from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AltrConfig(AppConfig):
    name = "django_altr"
    label = "django_altr"
    verbose_name = _("ALTR tokenization")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, serializers  # noqa: F401

        serializers.register()
