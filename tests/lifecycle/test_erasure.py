"""``altr_erase``: the values are gone from the vault, the rows say so, and a proof is left."""

from __future__ import annotations

import hashlib
import json
import pickle
from io import StringIO

import pytest
from django import forms
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import QuerySet

from django_altr import vaults
from django_altr.exceptions import ServiceUnavailable, TokenErased, TokenNotFound
from django_altr.fields import detokenize
from tests.models import Patient, Supplier

pytestmark = pytest.mark.django_db


def erase(*args, model="tests.Patient", no_input=True):
    output, errors = StringIO(), StringIO()
    call_command("altr_erase", model, *args, *(["--no-input"] if no_input else []), stdout=output, stderr=errors)
    erase.said = errors.getvalue()
    return json.loads(output.getvalue()) if output.getvalue() else None


@pytest.fixture
def patient(vault):
    patient = Patient.objects.create(name="Ada", ssn="123", iban="DE1")
    vault.forget()
    return patient


def tokens(patient):
    return [str(token) for token in (patient.name_token, patient.ssn_token, patient.iban_token)]


def again(patient):
    return Patient.objects.get(pk=patient.pk)


def test_values_are_gone_from_the_vault(vault, patient):
    other = Patient.objects.create(name="Grace", ssn="9")
    erase(f"--filter=pk={patient.pk}")
    assert not vault.holds_any(*tokens(patient))
    assert again(other).name == "Grace"


def test_reading_says_that_the_value_was_erased(patient):
    erase("--filter=ssn__isnull=False")
    with pytest.raises(TokenErased, match=r"tests.Patient.ssn: this value was erased"):
        _ = again(patient).ssn
    with pytest.raises(TokenNotFound):
        _ = again(patient).iban


def test_placeholder_is_given_where_the_field_says_so(vault, patient):
    erase(f"--filter=pk={patient.pk}")
    vault.forget()
    assert again(patient).name == "(erased)"
    (token,) = Patient.objects.values_list("name", flat=True)
    assert token() == "(erased)"
    assert vault.backend.calls == []


def test_marker_is_no_token_and_never_sent(vault, patient):
    erase(f"--filter=pk={patient.pk}")
    erased = again(patient)
    assert erased.ssn_token == "erased:" + hashlib.sha256(patient.ssn_token.encode()).hexdigest()[:32]
    assert not vault.backend.is_token(erased.ssn_token)
    vault.forget()
    detokenize(Patient.objects.all(), "name", "ssn")
    list(Patient.objects.prefetch_related("ssn", "iban"))
    assert vault.backend.calls == []


def test_prefetching_reads_the_neighbours(vault, patient):
    Patient.objects.create(name="Grace", ssn="9")
    erase(f"--filter=pk={patient.pk}")
    vault.forget()
    first, second = Patient.objects.order_by("pk").prefetch_related("ssn")
    assert second.ssn == "9"
    assert vault.backend.calls == [("detokenize", 1)]
    with pytest.raises(TokenErased):
        _ = first.ssn


def test_saving_an_erased_row_keeps_the_marker(vault, patient):
    erase(f"--filter=pk={patient.pk}")
    erased = again(patient)
    marker = str(erased.ssn_token)
    erased.hidden = False
    erased.save()
    Patient.objects.bulk_update([again(patient)], ["ssn", "name"])
    copy = again(patient)
    copy.pk, copy.iban, copy._state.adding = None, None, True
    copy.save()
    assert [str(each.ssn_token) for each in Patient.objects.all()] == [marker, marker]


def test_an_erased_value_can_be_given_anew(patient):
    erase(f"--filter=pk={patient.pk}")
    erased = again(patient)
    erased.ssn, erased.name = "new", "Ada again"
    erased.save()
    assert (again(patient).ssn, again(patient).name) == ("new", "Ada again")


def test_form_that_shows_the_placeholder_keeps_the_marker(vault, patient):
    class PatientForm(forms.ModelForm):
        class Meta:
            model = Patient
            fields = ["name", "hidden"]

    erase(f"--filter=pk={patient.pk}")
    marker = str(again(patient).name_token)
    assert "(erased)" in PatientForm(instance=again(patient)).as_p()
    PatientForm({"name": "(erased)"}, instance=again(patient)).save()
    assert again(patient).name_token == marker


def test_lookups_stay_sane(patient):
    Patient.objects.create(name="Grace")
    erase(f"--filter=pk={patient.pk}")
    assert Patient.objects.get(ssn__isnull=False) == patient
    assert not Patient.objects.filter(iban="DE1").exists()
    assert Patient.objects.get(ssn__token__startswith="erased:") == patient


def test_erased_rows_survive_dump_and_load(patient):
    erase(f"--filter=pk={patient.pk}")
    dumped = serializers.serialize("json", [again(patient)])
    Patient.objects.all().delete()
    for loaded in serializers.deserialize("json", dumped):
        loaded.save()
    assert again(patient).name == "(erased)"
    with pytest.raises(TokenErased):
        _ = again(patient).ssn


def test_proof_counts_and_hashes(patient):
    proof = erase(f"--filter=pk={patient.pk}")
    hashes = sorted(hashlib.sha256(token.encode()).hexdigest() for token in tokens(patient))
    assert proof.pop("erased_at").endswith("+00:00")
    assert proof == {
        "model": "tests.Patient",
        "database": "default",
        "fields": ["tests.Patient.name", "tests.Patient.ssn", "tests.Patient.iban"],
        "rows": 1,
        "values": 3,
        "values_of_other_rows": 0,
        "values_erased_before": 0,
        "vaults": {"default": 3},
        "tokens": 3,
        "tokens_sha256": hashes,
        "verified": True,
    }


def test_proof_goes_into_a_new_file(patient, tmp_path):
    proof = tmp_path / "proof.json"
    assert erase(f"--filter=pk={patient.pk}", f"--proof={proof}") is None
    assert json.loads(proof.read_text())["verified"] is True
    Patient.objects.create(name="Grace")
    with pytest.raises(CommandError, match="exists. Nothing was erased"):
        erase("--filter=pk__gt=0", f"--proof={proof}")
    assert Patient.objects.last().name == "Grace"


def test_proof_that_cannot_be_written_is_not_lost(patient, tmp_path, capsys):
    with pytest.raises(CommandError, match="The values are erased, but"):
        call_command(
            "altr_erase", "tests.Patient", "--filter=pk__gt=0", "--no-input", f"--proof={tmp_path / 'no' / 'proof'}"
        )
    assert '"verified": true' in capsys.readouterr().out


def test_chosen_fields_only(patient):
    erase(f"--filter=pk={patient.pk}", "--fields", "ssn")
    erased = again(patient)
    assert erased.name == "Ada"
    with pytest.raises(TokenErased):
        _ = erased.ssn


def test_rows_that_managers_hide_are_erased(vault, patient):
    Patient.objects.update(hidden=True)
    assert erase(f"--filter=pk={patient.pk}")["rows"] == 1
    assert not vault.holds_any(*tokens(patient))


def test_dry_run_changes_nothing(vault, patient):
    erase(f"--filter=pk={patient.pk}", "--dry-run")
    assert "1 rows of tests.Patient: 3 values to erase" in erase.said
    assert vault.backend.calls == []
    assert again(patient).ssn == "123"


@pytest.mark.parametrize(("answer", "erased"), [("y", True), ("", False)])
def test_asks_first(vault, patient, monkeypatch, answer, erased):
    monkeypatch.setattr("builtins.input", lambda question: answer)
    erase(f"--filter=pk={patient.pk}", no_input=False)
    assert vault.holds(*tokens(patient)) is not erased


def test_can_be_repeated(patient):
    erase(f"--filter=pk={patient.pk}")
    proof = erase(f"--filter=pk={patient.pk}")
    assert (proof["values"], proof["values_erased_before"]) == (0, 3)


def copy_of(patient):
    copy = again(patient)
    copy.pk, copy.iban, copy.hidden, copy._state.adding = None, None, True, True
    copy.save()
    return copy


def test_values_that_other_rows_hold_are_refused_and_named(vault, patient):
    copy = copy_of(patient)
    with pytest.raises(CommandError, match="2 other values have the same reference tokens"):
        erase(f"--filter=pk={patient.pk}")
    assert vault.holds(*tokens(patient))
    assert again(patient).ssn == "123"
    with pytest.raises(CommandError):
        call_command("altr_erase", "tests.Patient", f"--filter=pk={patient.pk}", stderr=(said := StringIO()))
    assert f"tests.Patient.ssn, primary key {copy.pk}, database 'default'" in said.getvalue()


def test_values_that_other_rows_hold_are_erased_if_told_so(vault, patient):
    copy = copy_of(patient)
    proof = erase(f"--filter=pk={patient.pk}", "--everywhere")
    assert proof["values_of_other_rows"] == 2
    assert not vault.holds_any(*tokens(patient))
    found = QuerySet(Patient).get(pk=copy.pk)
    with pytest.raises(TokenErased):
        _ = found.ssn


def test_values_of_all_rows_that_hold_them_need_no_further_permission(vault, patient):
    copy_of(patient)
    assert erase("--filter=ssn__isnull=False")["rows"] == 2
    assert not vault.holds_any(*tokens(patient))


def test_outage_changes_nothing_and_can_be_repeated(vault, patient):
    vault.backend.fail_with(ServiceUnavailable("down"), times=1)
    with pytest.raises(CommandError, match="down"):
        erase(f"--filter=pk={patient.pk}")
    assert again(patient).ssn == "123"
    assert erase(f"--filter=pk={patient.pk}")["values"] == 3


def test_interrupted_erasure_is_finished_by_the_next(vault, patient):
    vault.backend.delete_many(tokens(patient))
    erase(f"--filter=pk={patient.pk}")
    with pytest.raises(TokenErased):
        _ = again(patient).ssn


def test_vault_that_only_says_it_deleted_is_caught(vault, patient, monkeypatch):
    monkeypatch.setattr(vaults["default"], "delete_many", lambda tokens: None)
    with pytest.raises(CommandError, match="still gives 3 of 3 values"):
        erase(f"--filter=pk={patient.pk}")
    assert again(patient).ssn == "123"


def test_vault_that_cannot_delete_is_refused(vault, patient, monkeypatch):
    monkeypatch.setattr(type(vaults["default"]), "supports_delete", False)
    with pytest.raises(CommandError, match="cannot delete tokens: nothing was erased"):
        erase(f"--filter=pk={patient.pk}")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--filter=nothing=1"], "These filters do not fit tests.Patient: nothing"),
        (["--filter=pk=x"], "These filters do not fit"),
        (["--filter=pk"], "written FIELD=VALUE"),
        (["--filter=ssn=123-secret"], "These filters do not fit tests.Patient: ssn"),
        (["--filter=pk=1", "--fields", "hidden"], "no tokenized field hidden"),
    ],
)
def test_mistakes_are_named_without_the_value(patient, args, message):
    with pytest.raises(CommandError, match=message) as raised:
        erase(*args)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("model", ["tests.Nobody", "nobody", "auth.User"])
def test_unknown_models_are_named(patient, model):
    with pytest.raises(CommandError):
        erase("--filter=pk=1", model=model)


def test_erasure_is_recorded(journal):
    patient = Patient.objects.create(name="Ada", ssn="123")
    erase(f"--filter=pk={patient.pk}")
    assert {event.operation for event in journal.events().values()} == {"deleted"}


def test_models_of_multi_table_inheritance(vault):
    supplier = Supplier.objects.create(phone="1", tax_id="2")
    erase(f"--filter=pk={supplier.pk}", model="tests.Supplier")
    found = Supplier.objects.get()
    for name in ("phone", "tax_id"):
        with pytest.raises(TokenErased):
            getattr(found, name)


def test_erased_values_have_an_error_that_pickles(patient):
    erase(f"--filter=pk={patient.pk}")
    erased = pickle.loads(pickle.dumps(again(patient)))
    with pytest.raises(TokenErased) as raised:
        _ = erased.ssn
    assert isinstance(pickle.loads(pickle.dumps(raised.value)), TokenErased)


def test_column_that_still_holds_plaintext_is_refused(vault, patient):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tests_patient SET ssn = %s", ["plaintext-canary"])
    with pytest.raises(CommandError, match=r"tests.Patient.ssn of the row .* is no reference token") as raised:
        erase(f"--filter=pk={patient.pk}")
    assert "canary" not in str(raised.value)
    assert vault.backend.calls == []


def test_tokenizing_a_column_leaves_markers_alone(vault, patient):
    erase(f"--filter=pk={patient.pk}")
    vault.forget()
    call_command("altr_tokenize", "tests.Patient", stdout=StringIO())
    assert [name for name, _ in vault.backend.calls if name == "tokenize"] == []
    with pytest.raises(TokenErased):
        _ = again(patient).ssn


@pytest.mark.parametrize("kind", ["vaulted", "critical"])
def test_todays_services_erase(sandbox, settings, kind):
    settings.ALTR = {alias: sandbox.settings(kind) for alias in ("default", "second")}
    patient = Patient.objects.create(name="Ada", ssn="123", iban="DE1")
    assert erase(f"--filter=pk={patient.pk}")["tokens"] == 3
    assert vaults["default"].find_many(tokens(patient)) == {}
    sent = sandbox.count()
    assert again(patient).name == "(erased)"
    with pytest.raises(TokenErased):
        _ = again(patient).ssn
    assert sandbox.count() == sent


def test_classic_service_cannot_erase(sandbox, settings):
    settings.ALTR = {alias: sandbox.settings("chain") for alias in ("default", "second")}
    patient = Patient.objects.create(name="Ada")
    with pytest.raises(CommandError, match="'default' cannot delete tokens: nothing was erased"):
        erase(f"--filter=pk={patient.pk}")
    assert again(patient).name == "Ada"
