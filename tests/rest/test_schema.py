"""drf-spectacular shows the base type."""

from __future__ import annotations

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.validation import validate_schema
from rest_framework import viewsets
from rest_framework.routers import DefaultRouter

from tests.models import Everything, Options

from .api import serializer

PROPERTIES = {
    "char": {"type": "string", "maxLength": 5000},
    "email": {"type": "string", "format": "email", "maxLength": 254},
    "url": {"type": "string", "format": "uri", "maxLength": 200},
    "integer": {"type": "integer"},
    "big": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "decimal": {"type": "string", "format": "decimal"},
    "float": {"type": "number", "format": "double"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "uuid": {"type": "string", "format": "uuid"},
    "binary": {"type": "string", "format": "byte"},
    "money": {"type": "integer"},
    "email_token": {"type": "string"},
}


@pytest.fixture(scope="module")
def schema():
    class Everythings(viewsets.ModelViewSet):
        queryset = Everything.objects.all()
        serializer_class = serializer(Everything, [*(field.name for field in Everything._meta.fields), "email_token"])
        schema = AutoSchema()

    class Optionses(viewsets.ModelViewSet):
        queryset = Options.objects.all()
        serializer_class = serializer(Options)
        schema = AutoSchema()

    router = DefaultRouter()
    router.register("everything", Everythings)
    router.register("options", Optionses)
    GENERATOR_STATS.reset()
    schema = SchemaGenerator(patterns=router.urls).get_schema(request=None, public=True)
    validate_schema(schema)
    return schema


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_is_of_the_base_type(schema, name):
    shown = schema["components"]["schemas"]["Everything"]["properties"][name]
    assert {key: shown.get(key) for key in PROPERTIES[name]} == PROPERTIES[name]


def test_choices_are_an_enum(schema):
    assert schema["components"]["schemas"]["LevelEnum"]["enum"] == ["g", "s"]


def test_no_warning_is_given(schema):
    assert not GENERATOR_STATS
