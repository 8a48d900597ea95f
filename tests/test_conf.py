from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from django_altr.conf import OPTIONS, SCHEMES, parse_altr_url
from tests.http.leaks import leaks_of

CHAIN, VAULTED, CRITICAL, LOCMEM = (
    f"django_altr.backends.{name}"
    for name in ("chain.ChainBackend", "vaulted.VaultedBackend", "critical.CriticalBackend", "locmem.LocMemBackend")
)


@pytest.mark.parametrize(
    ("url", "backend", "location"),
    [
        ("altr://KEY:SECRET@altr.example.com", CHAIN, "https://altr.example.com"),
        ("altr://KEY:SECRET@altr.example.com:8443/", CHAIN, "https://altr.example.com:8443"),
        ("altr+http://KEY:SECRET@127.0.0.1:8200", CHAIN, "http://127.0.0.1:8200"),
        ("altr+http://KEY:SECRET@[::1]:8200", CHAIN, "http://[::1]:8200"),
        ("altr-vaulted://KEY:SECRET@host/api/v2", VAULTED, "https://host/api/v2"),
        ("altr-vaulted+http://KEY:SECRET@localhost/api/v2", VAULTED, "http://localhost/api/v2"),
        ("altr-critical://KEY:SECRET@host/v2", CRITICAL, "https://host/v2"),
        (" altr-critical+http://KEY:SECRET@127.0.0.1/v2\n", CRITICAL, "http://127.0.0.1/v2"),
    ],
)
def test_reads_every_scheme(url: str, backend: str, location: str) -> None:
    assert parse_altr_url(url) == {"BACKEND": backend, "LOCATION": location, "KEY": "KEY", "SECRET": "SECRET"}


def test_reads_the_vault_in_memory() -> None:
    assert parse_altr_url("altr-locmem://") == {"BACKEND": LOCMEM, "LOCATION": ""}
    assert parse_altr_url("altr-locmem://tests")["LOCATION"] == "tests"


def test_reads_options() -> None:
    url = "altr://K:S@host?timeout=2.5&retries=0&max_workers=4&ca_bundle=/etc/ca.pem&token_pattern=x%2B"
    assert parse_altr_url(url)["OPTIONS"] == {
        "timeout": 2.5, "retries": 0, "max_workers": 4, "ca_bundle": "/etc/ca.pem", "token_pattern": "x+",
    }  # fmt: skip


@given(key=st.text(min_size=1), secret=st.text(min_size=1))
def test_reads_any_percent_encoded_key_and_secret(key: str, secret: str) -> None:
    try:
        url = f"altr://{quote(key, safe='')}:{quote(secret, safe='')}@host"
    except UnicodeEncodeError:
        return
    params = parse_altr_url(url)
    assert (params["KEY"], params["SECRET"]) == (key, secret)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("", "starts with one of altr://"),
        ("https://key:Canary-secret@host", "starts with one of"),
        ("altr://", "no host"),
        ("altr://key:Canary-secret@", "no host"),
        ("altr://key:Canary-secret/x@host", "percent-encode"),
        ("altr://key:Canary-secret#x@host", "percent-encode"),
        ("altr://key:Canary-secret%ff@host", "percent-encode"),
        ("altr://key:Canary-secret@[host", "percent-encode"),
        ("altr://key:Canary-secret@host:port", "percent-encode"),
        ("altr://key:Canary-secret@host?Canary-secret=1", "unknown option"),
        ("altr://key:Canary-secret@host?timeout=Canary-secret", "'timeout' .* number of seconds"),
        ("altr://key:Canary-secret@host?retries=1.5", "'retries' .* whole number"),
        ("altr://key:Canary-secret@host?timeout=nan", "'timeout'"),
        ("altr://key:Canary-secret@host?token_pattern=(", "'token_pattern' .* regular expression"),
        (None, "cannot be read"),
    ],
)
def test_an_unusable_url_says_why_and_shows_no_secret(url: Any, match: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=match) as caught:
        parse_altr_url(url)
    assert "Canary-secret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert leaks_of(caught.value, "Canary-secret") == []


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"altr://{text}", f"altr://k:s@{text}"):
        try:
            params = parse_altr_url(url)
        except ImproperlyConfigured:
            continue
        assert params["BACKEND"]


def test_no_option_turns_verification_off() -> None:
    assert not {"verify", "insecure", "tls", "ssl"} & {word for name in OPTIONS for word in name.split("_")}


def test_every_scheme_names_a_backend_that_exists() -> None:
    from django.utils.module_loading import import_string

    assert all(import_string(backend) for backend, _ in SCHEMES.values())


def test_needs_no_settings() -> None:
    code = "from django_altr.conf import parse_altr_url; print(parse_altr_url('altr://k:s@host'))"
    assert subprocess.run([sys.executable, "-c", code], env={}, capture_output=True).returncode == 0
