"""The permission to reveal: ``<app>.reveal_<model>``, made by ``migrate`` for every model with tokenized fields."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.contrib.auth import get_permission_codename
from django.db import DEFAULT_DB_ALIAS, models, router

from .fields.writes import tokenized_fields

__all__ = ["create_reveal_permissions", "may_reveal", "reveal_permission"]


def reveal_permission(model: type[models.Model]) -> str:
    """Return the full name of the permission to reveal the model's values."""
    return f"{model._meta.app_label}.{get_permission_codename('reveal', model._meta)}"


def may_reveal(user: Any, model: type[models.Model]) -> bool:
    """Whether the user has the permission to reveal the model's values."""
    return bool(user.has_perm(reveal_permission(model)))


def create_reveal_permissions(
    app_config: AppConfig, using: str = DEFAULT_DB_ALIAS, apps: Any = global_apps, **kwargs: Any
) -> None:
    """Make the permissions of an app's models: a receiver of ``post_migrate``, as ``django.contrib.auth`` has one."""
    try:
        app_config = apps.get_app_config(app_config.label)
        permission_model = apps.get_model("auth", "Permission")
        content_type_model = apps.get_model("contenttypes", "ContentType")
    except LookupError:
        return
    if not router.allow_migrate_model(using, permission_model):
        return
    for model in app_config.get_models():
        if tokenized_fields(model):
            content_type = content_type_model.objects.db_manager(using).get_for_model(model, for_concrete_model=False)
            permission_model.objects.using(using).get_or_create(
                codename=get_permission_codename("reveal", model._meta),
                content_type=content_type,
                defaults={"name": f"Can reveal {model._meta.verbose_name_raw}"[:255]},
            )
