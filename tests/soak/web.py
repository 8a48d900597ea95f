"""The site that gunicorn serves in ``test_web``: ``gunicorn --preload tests.soak.web:application``."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")

from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

__all__ = ["application", "urlpatterns"]


def write(request: HttpRequest, value: str) -> JsonResponse:
    from tests.models import Person

    return JsonResponse({"pk": Person.objects.create(name=value).pk, "worker": os.getpid()})


def read(request: HttpRequest, pk: int) -> JsonResponse:
    from tests.models import Person

    return JsonResponse({"name": Person.objects.get(pk=pk).name, "worker": os.getpid()})


async def read_all(request: HttpRequest, first: int) -> JsonResponse:
    from tests.models import Person

    people = Person.objects.filter(pk__gte=first).prefetch_related("name")[:20]
    return JsonResponse({str(person.pk): person.name async for person in people.aiterator(chunk_size=10)})


urlpatterns = [path("write/<value>/", write), path("read/<int:pk>/", read), path("all/<int:first>/", read_all)]


def application(environ, start_response):  # type: ignore[no-untyped-def]
    return _django(environ, start_response)


_django = get_wsgi_application()
if os.environ.get("TOUCH_BEFORE_FORK"):
    from django.db import connections

    from django_altr import vaults

    # With --preload: connections, threads and locks of the vault exist before the workers are forked.
    vaults["default"].tokenize_many(["before the fork"] * 3, metadata="label")
    connections.close_all()
