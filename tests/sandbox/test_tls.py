"""The sandbox over https."""

from __future__ import annotations

import http.client
import ssl

import pytest
import trustme

from django_altr.sandbox import Sandbox

from .client import Client


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def secure_sandbox(authority, tmp_path_factory):
    certificate = authority.issue_cert("127.0.0.1")
    folder = tmp_path_factory.mktemp("tls")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    with Sandbox(tls=(folder / "cert.pem", folder / "key.pem")) as sandbox:
        yield sandbox


def test_values_over_https(secure_sandbox, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client = Client(secure_sandbox.url, context=context)
    token = client.new_token(b"x" * 100_000)
    assert client.get(token).body == b"x" * 100_000
    assert secure_sandbox.altr_url.startswith("altr://")
    client.close()


def test_faults_over_https(secure_sandbox, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client = Client(secure_sandbox.url, context=context)
    with secure_sandbox.misbehave(drop="middle"), pytest.raises((http.client.HTTPException, OSError)):
        client.put(b"Ada")
    client.close()
    assert client.put(b"Ada").status == 200
    client.close()


def test_a_client_that_does_not_trust_it_hurts_nobody(secure_sandbox, authority):
    client = Client(secure_sandbox.url, context=ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.put(b"Ada")
    client.close()
    test_values_over_https(secure_sandbox, authority)


def test_plain_http_gets_no_answer_and_hurts_nobody(secure_sandbox, authority):
    client = Client(secure_sandbox.url.replace("https", "http"))
    with pytest.raises((http.client.HTTPException, OSError)):
        client.put(b"Ada").json()["response"]["data"]
    client.close()
    test_values_over_https(secure_sandbox, authority)
