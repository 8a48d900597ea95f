"""django-simple-history copies reference tokens: its rows read nothing and write nothing to the vault."""

from __future__ import annotations

import pytest

from django_altr.exceptions import ServiceUnavailable
from tests.fields.conftest import column
from tests.models import Chart


@pytest.fixture
def chart(vault):
    chart = Chart.objects.create(name="Ada", file={"a": [1]})
    vault.forget()
    return chart


def test_history_row_holds_the_tokens_of_the_row(vault, chart):
    record = chart.history.get()
    assert (record.name_token, record.file_token) == (chart.name_token, chart.file_token)
    assert column(Chart.history.model, "name") == [chart.name_token]
    assert vault.backend.calls == []


def test_change_adds_a_row_and_one_write(vault, chart):
    chart.name = "Grace"
    chart.save()
    assert vault.backend.calls == [("tokenize", 1)]
    newest, oldest = chart.history.all()
    assert (newest.name_token, oldest.name_token) == (chart.name_token, column(Chart.history.model, "name")[0])
    vault.forget()
    assert [record.name for record in chart.history.all()] == ["Grace", "Ada"]
    assert vault.reads == [2]


def test_row_that_was_only_queried_is_recorded_without_a_read(vault, chart):
    chart = Chart.objects.get()
    chart.ward = "7"
    vault.fail_with(ServiceUnavailable("down"))
    chart.save()
    chart.delete()
    assert vault.backend.calls == []
    assert len(set(column(Chart.history.model, "name"))) == 1


def test_differences_are_of_tokens_and_read_nothing(vault, chart):
    old = str(chart.name_token)
    chart.name = "Grace"
    chart.save()
    vault.forget()
    newest, oldest = chart.history.all()
    delta = newest.diff_against(oldest)
    assert [(change.field, change.old, change.new) for change in delta.changes] == [("name", old, chart.name_token)]
    assert "Ada" not in repr(delta) and "Grace" not in repr(delta)
    assert vault.backend.calls == []
    assert [getattr(record, delta.changed_fields[0]) for record in (oldest, newest)] == ["Ada", "Grace"]
    assert vault.reads == [2]


def test_fields_of_the_history_are_called_as_in_the_model():
    field = Chart.history.model._meta.get_field("name")
    assert (field.attname, field.column, field.base_field.name) == ("name_token", "name", "name")
    assert Chart._meta.get_field("name").base_field.model is Chart


def test_record_becomes_the_row_again(vault, chart):
    token = str(chart.name_token)
    chart.name = "Grace"
    chart.save()
    vault.forget()
    chart.history.earliest().instance.save()
    assert vault.writes == []
    assert Chart.objects.get().name_token == token


def test_instance_of_a_record_and_as_of(vault, chart):
    record = chart.history.get()
    assert record.instance.name == "Ada"
    assert chart.history.as_of(record.history_date).name == "Ada"


def test_bulk_create_with_history(vault):
    from simple_history.utils import bulk_create_with_history

    bulk_create_with_history([Chart(name=str(number)) for number in range(3)], Chart)
    assert vault.writes == [3]
    assert column(Chart.history.model, "name") == column(Chart, "name")


def test_bulk_update_with_history(vault, chart):
    from simple_history.utils import bulk_update_with_history

    chart.name = "Grace"
    bulk_update_with_history([chart], Chart, ["name"])
    assert vault.writes == [1]
    assert chart.history.latest().name_token == chart.name_token


def test_history_of_an_updated_row_that_fails_changes_nothing(vault, chart):
    chart.name = "Grace"
    vault.fail_with(ServiceUnavailable("down"))
    with pytest.raises(ServiceUnavailable):
        chart.save()
    vault.fail_with(None)
    assert [record.name for record in chart.history.all()] == ["Ada"]
