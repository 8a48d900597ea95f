"""ALTR's official client and our field understand each other's tokens, through the v2 API."""

from __future__ import annotations

import pytest

from django_altr import vaults
from django_altr.exceptions import TokenNotFound
from tests.models import Account, Bare

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]

VALUES = ["Ada Lovelace", "ä€😀", 'quote " backslash \\', "0"]


@pytest.fixture(params=["vaulted", "critical"])
def service(request, settings, sandbox):
    settings.ALTR = {alias: sandbox.settings(request.param) for alias in ("default", "second")}
    return {"vaulted": "vault", "critical": "critical"}[request.param]


def test_the_field_reads_what_the_official_client_tokenized(official_client, service):
    tokens = official_client(service, "tokenize", VALUES)
    assert all(vaults["default"].is_token(token) for token in tokens)
    for token in tokens:
        Bare(value_token=token).save()
    assert [row.value for row in Bare.objects.order_by("pk")] == VALUES


def test_the_official_client_reads_what_the_field_tokenized(official_client, service):
    rows = Bare.objects.bulk_create(Bare(value=value) for value in VALUES)
    assert official_client(service, "detokenize", [row.value_token for row in rows]) == VALUES
    mixed = [rows[0].value_token, "plaintext"]
    assert official_client(service, "partial_detokenize", mixed) == [VALUES[0], "plaintext"]


def test_deterministic_tokens_are_the_same(official_client, service):
    (token,) = official_client(service, "tokenize", ["DE1"], deterministic=True)
    account = Account.objects.create(iban="DE1")
    assert account.iban_token == token
    assert Account.objects.get(iban="DE1") == account


def test_what_the_official_client_deletes_is_unknown_to_the_field(official_client, service):
    row = Bare.objects.create(value="x")
    official_client(service, "delete_tokens", [row.value_token])
    with pytest.raises(TokenNotFound):
        _ = Bare.objects.get().value
