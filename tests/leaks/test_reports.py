"""The reporter filter and the Sentry hook mask what Django's own frames and the project's variables hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from django_altr.exceptions import ServiceUnavailable
from django_altr.reports import ReporterFilter, scrub_event
from tests.fields.conftest import vault
from tests.models import Account, Person

from .actions import PersonForm
from .canary import Canary
from .conftest import LeakFree

__all__ = ["vault"]


def create(request: HttpRequest) -> None:
    Person.objects.create(name=request.POST["name"])


def update(request: HttpRequest) -> None:
    name = request.POST["name"]
    Person.objects.update(name=name)


def look_up(request: HttpRequest) -> None:
    Account.objects.get(iban=request.POST["name"])


def look_up_several(request: HttpRequest) -> None:
    wanted = {"iban__in": [request.POST["name"]]}
    list(Account.objects.filter(**wanted))


def refused_lookup(request: HttpRequest) -> None:
    Person.objects.filter(name=request.POST["name"])


def save_form(request: HttpRequest) -> None:
    form = PersonForm(request.POST, instance=Person.objects.get())
    cleaned = form.is_valid() and dict(form.cleaned_data)
    form.save()
    del cleaned


VIEWS = [create, update, look_up, look_up_several, refused_lookup, save_form]


@pytest.fixture
def failed(vault: Any, plaintext: Canary) -> Callable[..., tuple[HttpRequest, BaseException]]:
    Person.objects.create(name="Ada", email="a@example.com")

    def fail(view: Callable[[HttpRequest], None]) -> tuple[HttpRequest, BaseException]:
        vault.fail_with(ServiceUnavailable("down"))
        form = {"name": plaintext.text, "email": "b@example.com", "form-0-iban": plaintext.text, "age": "36"}
        request = RequestFactory().post("/", form)
        with pytest.raises((ServiceUnavailable, FieldError)) as caught:
            view(request)
        return request, caught.value

    return fail


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("debug", [True, False])
def test_error_page(failed: Any, settings: Any, leak_free: LeakFree, view: Any, debug: bool) -> None:
    settings.DEBUG = debug
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django_altr.reports.ReporterFilter"
    request, error = failed(view)
    reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
    reporter.filter = ReporterFilter()
    page = reporter.get_traceback_html()
    assert "••••••••" in page and "36" in page
    leak_free("Error page", page, reporter.get_traceback_text())


@pytest.mark.filterwarnings("ignore::DeprecationWarning:sentry_sdk")
@pytest.mark.parametrize("view", VIEWS)
def test_sentry(failed: Any, leak_free: LeakFree, view: Any) -> None:
    import sentry_sdk
    from sentry_sdk.transport import Transport

    sent: list[bytes] = []

    class Recorder(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.append(envelope.serialize())

    _, error = failed(view)
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(
            sentry_sdk.Client("https://key@sentry.invalid/1", transport=Recorder, before_send=scrub_event)  # type: ignore[arg-type]
        )
        sentry_sdk.capture_exception(error)
    assert len(sent) == 1
    leak_free("Sentry event", *sent)


def test_request_of_an_event_is_masked(plaintext: Canary) -> None:
    event = {"request": {"body": {"name": plaintext.text, "age": "36", "more": [{"iban": plaintext.text}]}}}
    assert plaintext.found_in(repr(scrub_event(event))) == []
    assert event["request"]["body"]["age"] == "36"


@pytest.mark.parametrize("event", [{}, {"exception": {}}, {"exception": {"values": [{}, {"stacktrace": None}]}}])
def test_event_without_frames_passes(event: dict[str, Any]) -> None:
    assert scrub_event(dict(event)) == event


def test_what_is_too_deep_is_masked() -> None:
    deep: Any = "x"
    for _ in range(9):
        deep = {"a": deep}
    assert "'x'" not in repr(scrub_event({"request": deep}))
