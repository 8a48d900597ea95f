from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class AltcraftConfig(AppConfig):
    name = "django_altr.contrib.altcraft"
    label = "altcraft"
    verbose_name = _("Altcraft delivery")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, receivers

        autodiscover_modules("altcraft")
        receivers.connect()
        checks.register()
