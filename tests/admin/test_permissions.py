from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_altr.permissions import create_reveal_permissions, may_reveal, reveal_permission
from tests.models import Order, Person, PlainTwin


@pytest.mark.django_db
def test_migrate_makes_a_permission_for_each_model_with_tokenized_fields() -> None:
    names = Permission.objects.filter(content_type__app_label="tests", codename__startswith="reveal_")
    assert names.get(codename="reveal_person").name == "Can reveal person"
    assert not names.filter(codename=f"reveal_{PlainTwin._meta.model_name}").exists()


@pytest.mark.django_db
def test_a_second_migrate_makes_no_second_one() -> None:
    config = apps.get_app_config("tests")
    create_permissions(config, verbosity=0)
    create_reveal_permissions(config)
    assert Permission.objects.filter(codename="reveal_person").count() == 1


@pytest.mark.django_db
def test_is_of_its_model() -> None:
    user = User.objects.create_user("agent")
    user.user_permissions.add(Permission.objects.get(codename="reveal_person"))
    assert reveal_permission(Person) == "tests.reveal_person"
    assert may_reveal(user, Person)
    assert not may_reveal(user, Order)


def test_can_be_assigned_in_the_admin(admin: Client, settings: object) -> None:
    settings.ROOT_URLCONF = "tests.urls"  # type: ignore[attr-defined]
    user = User.objects.get()
    page = admin.get(f"/admin/auth/user/{user.pk}/change/").content.decode()
    assert "Can reveal customer" in page
