"""django-simple-history copies reference tokens: its rows read nothing and write nothing to the vault."""

from __future__ import annotations

import pytest

from django_altr.exceptions import ServiceUnavailable
from tests.fields.conftest import column
from tests.models import Patient


@pytest.fixture
def patient(vault):
    patient = Patient.objects.create(name="Ada", file={"a": [1]})
    vault.forget()
    return patient


def test_history_row_holds_the_tokens_of_the_row(vault, patient):
    record = patient.history.get()
    assert (record.name_token, record.file_token) == (patient.name_token, patient.file_token)
    assert column(Patient.history.model, "name") == [patient.name_token]
    assert vault.backend.calls == []


def test_change_adds_a_row_and_one_write(vault, patient):
    patient.name = "Grace"
    patient.save()
    assert vault.backend.calls == [("tokenize", 1)]
    newest, oldest = patient.history.all()
    assert (newest.name_token, oldest.name_token) == (patient.name_token, column(Patient.history.model, "name")[0])
    vault.forget()
    assert [record.name for record in patient.history.all()] == ["Grace", "Ada"]
    assert vault.reads == [2]


def test_row_that_was_only_queried_is_recorded_without_a_read(vault, patient):
    patient = Patient.objects.get()
    patient.ward = "7"
    vault.fail_with(ServiceUnavailable("down"))
    patient.save()
    patient.delete()
    assert vault.backend.calls == []
    assert len(set(column(Patient.history.model, "name"))) == 1


def test_differences_are_of_tokens_and_read_nothing(vault, patient):
    old = str(patient.name_token)
    patient.name = "Grace"
    patient.save()
    vault.forget()
    newest, oldest = patient.history.all()
    delta = newest.diff_against(oldest)
    assert [(change.field, change.old, change.new) for change in delta.changes] == [("name", old, patient.name_token)]
    assert "Ada" not in repr(delta) and "Grace" not in repr(delta)
    assert vault.backend.calls == []
    assert [getattr(record, delta.changed_fields[0]) for record in (oldest, newest)] == ["Ada", "Grace"]
    assert vault.reads == [2]


def test_fields_of_the_history_are_called_as_in_the_model():
    field = Patient.history.model._meta.get_field("name")
    assert (field.attname, field.column, field.base_field.name) == ("name_token", "name", "name")
    assert Patient._meta.get_field("name").base_field.model is Patient


def test_record_becomes_the_row_again(vault, patient):
    token = str(patient.name_token)
    patient.name = "Grace"
    patient.save()
    vault.forget()
    patient.history.earliest().instance.save()
    assert vault.writes == []
    assert Patient.objects.get().name_token == token


def test_instance_of_a_record_and_as_of(vault, patient):
    record = patient.history.get()
    assert record.instance.name == "Ada"
    assert patient.history.as_of(record.history_date).name == "Ada"


def test_bulk_create_with_history(vault):
    from simple_history.utils import bulk_create_with_history

    bulk_create_with_history([Patient(name=str(number)) for number in range(3)], Patient)
    assert vault.writes == [3]
    assert column(Patient.history.model, "name") == column(Patient, "name")


def test_bulk_update_with_history(vault, patient):
    from simple_history.utils import bulk_update_with_history

    patient.name = "Grace"
    bulk_update_with_history([patient], Patient, ["name"])
    assert vault.writes == [1]
    assert patient.history.latest().name_token == patient.name_token


def test_history_of_an_updated_row_that_fails_changes_nothing(vault, patient):
    patient.name = "Grace"
    vault.fail_with(ServiceUnavailable("down"))
    with pytest.raises(ServiceUnavailable):
        patient.save()
    vault.fail_with(None)
    assert [record.name for record in patient.history.all()] == ["Ada"]
