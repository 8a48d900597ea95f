from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_altr.backends import vaults
from django_altr.backends.locmem import LocMemBackend
from django_altr.checks import SANDBOX_SECRET, check_deployment, check_vaults
from django_altr.exceptions import AltrError
from django_altr.management.commands.altr_check import examine
from django_altr.sandbox import DEFAULT_SECRET, Key, Sandbox

CHAIN = {
    "BACKEND": "django_altr.backends.chain.ChainBackend",
    "LOCATION": "https://altr.example.com",
    "KEY": "key",
    "SECRET": "Canary-secret",
}


def ids(entry: Any) -> list[str | None]:
    with override_settings(ALTR={"default": entry}):
        messages = check_vaults()
    assert "Canary-secret" not in str(messages)
    return [message.id for message in messages]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (CHAIN, []),
        ({"BACKEND": "django_altr.backends.locmem.LocMemBackend"}, []),
        ({}, ["altr.E002"]),
        (None, ["altr.E002"]),
        (CHAIN | {"BACKEND": "nowhere.Backend"}, ["altr.E002"]),
        (CHAIN | {"BACKEND": "django_altr.conf.Problem"}, ["altr.E002"]),
        ({"BACKEND": CHAIN["BACKEND"], "LOCATION": CHAIN["LOCATION"]}, ["altr.E003", "altr.E003"]),
        (CHAIN | {"SECRET": None}, ["altr.E003"]),
        (CHAIN | {"LOCATION": ""}, ["altr.E004"]),
        (CHAIN | {"LOCATION": "altr.example.com"}, ["altr.E004"]),
        (CHAIN | {"LOCATION": "https://altr.example.com/?a=b"}, ["altr.E004"]),
        (CHAIN | {"LOCATION": "https://altr.example.com:port"}, ["altr.E004"]),
        (CHAIN | {"LOCATION": "https://altr example.com"}, ["altr.E004"]),
        (CHAIN | {"LOCATION": "http://altr.example.com"}, ["altr.E005"]),
        (CHAIN | {"LOCATION": "http://127.0.0.1.example.com"}, ["altr.E005"]),
        (CHAIN | {"LOCATION": "http://127.0.0.1:8200"}, []),
        (CHAIN | {"OPTIONS": {"verify": False, "timeout": 5}}, ["altr.E006"]),
        (CHAIN | {"OPTIONS": {"timeout": "5"}}, ["altr.E007"]),
        (CHAIN | {"OPTIONS": {"timeout": True}}, ["altr.E007"]),
        (CHAIN | {"OPTIONS": {"rate_limit": None, "max_workers": 256}}, []),
        (CHAIN | {"OPTIONS": "timeout=5"}, ["altr.E007"]),
        (CHAIN | {"TIMEOUT": 5}, ["altr.W002"]),
        (CHAIN | {"SECRET": SANDBOX_SECRET}, ["altr.W001"]),
    ],
)
def test_reports_what_is_wrong(entry: Any, expected: list[str]) -> None:
    assert ids(entry) == expected


@override_settings(DEBUG=True)
def test_the_sandbox_may_be_used_with_debug() -> None:
    assert ids(CHAIN | {"SECRET": SANDBOX_SECRET}) == []


def test_knows_the_sandbox_default_secret() -> None:
    assert SANDBOX_SECRET == DEFAULT_SECRET


@override_settings(ALTR=None)
def test_reports_a_missing_setting() -> None:
    assert [message.id for message in check_vaults()] == ["altr.E001"]
    assert check_deployment() == []


@override_settings(
    ALTR={"default": {"BACKEND": "django_altr.backends.locmem.LocMemBackend"}, "other": {}, "third": CHAIN}
)
def test_a_vault_in_memory_is_not_for_production() -> None:
    assert [message.id for message in check_deployment()] == ["altr.W003"]


def test_deletions_want_a_journal_in_production(settings: Any, tmp_path: Path) -> None:
    settings.ALTR = {"default": CHAIN}
    [message] = check_deployment()
    assert message.id == "altr.W005"
    assert "deletes values from it" in message.msg
    settings.ALTR = {"default": CHAIN | {"OPTIONS": {"journal": str(tmp_path)}}}
    assert check_deployment() == []


def test_every_check_has_a_hint_and_a_section_in_the_docs() -> None:
    root = Path(__file__).parent.parent
    sources = "".join(
        (root / "django_altr" / name).read_text() for name in ("checks.py", "conf.py", "backends/remote.py")
    )
    documented = re.findall(r"^## (altr\.[EW]\d+)", (root / "docs/checks.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"altr\.[EW]\d{3}", sources)) <= set(documented)
    assert len(documented) == len(set(documented))


def run(*args: str) -> str:
    out = StringIO()
    call_command("altr_check", *args, stdout=out, stderr=out, no_color=True)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["chain", "vaulted", "critical"])
def test_altr_check_proves_the_round_trip(sandbox: Sandbox, kind: str) -> None:
    with override_settings(ALTR={"default": sandbox.settings(kind)}):
        shown = run()
    assert "write: ok" in shown
    assert "the value is the one that was written" in shown
    assert "circuit breaker: closed" in shown
    assert re.search(r"clock: [0-2] seconds", shown)
    assert "works" in shown
    if kind != "chain":
        assert "delete: ok" in shown
        assert len(sandbox.store) == 0


def test_altr_check_works_without_network() -> None:
    assert "delete: ok" in run("--vault", "default")


def test_altr_check_says_which_rights_are_missing(sandbox: Sandbox) -> None:
    key = sandbox.add_key(Key("plain", "secret", frozenset({"read", "write"})))
    with override_settings(ALTR={"default": sandbox.settings("vaulted", key=key)}):
        shown = run()
    assert "deterministic tokens: the key lacks the right" in shown
    assert "delete: the key lacks the right" in shown


def test_altr_check_warns_of_a_clock_that_is_off(sandbox: Sandbox) -> None:
    sandbox.clock_offset = 600
    with override_settings(ALTR={"default": sandbox.settings()}):
        shown = run()
    assert re.search(r"clock: (599|600|601) seconds behind the vault's - set the clock by NTP", shown)


@pytest.mark.parametrize(
    ("fault", "match"), [({"status": 503}, "503"), ({"status": 401}, "KEY or SECRET"), ({"drop": "before"}, "reached")]
)
def test_altr_check_fails_with_the_reason(sandbox: Sandbox, fault: dict[str, Any], match: str) -> None:
    sandbox.misbehave(**fault)
    out = StringIO()
    with (
        override_settings(ALTR={"default": sandbox.settings(backoff_factor=0.01)}),
        pytest.raises(CommandError, match="Not working: default"),
    ):
        call_command("altr_check", stdout=out, stderr=out)
    assert match in out.getvalue()


def test_altr_check_notices_swapped_values(sandbox: Sandbox) -> None:
    with override_settings(ALTR={"default": sandbox.settings()}):
        sandbox.misbehave(route="PUT", body='{"0": "another value"}')
        with pytest.raises(AltrError, match="another value than was written"):
            list(examine(vaults["default"]))


class Liar(LocMemBackend):
    """A vault that forgets metadata, makes no deterministic tokens and deletes nothing."""

    def metadata(self, token: str) -> None:
        return None

    def delete_many(self, tokens: Any) -> None:
        pass

    def tokenize_many(self, values: Any, *, metadata: Any = None, deterministic: bool = False) -> list[str]:
        return super().tokenize_many(values)


@pytest.mark.parametrize(
    ("flags", "match"),
    [
        ({}, "other metadata"),
        ({"supports_metadata": False}, "two deterministic tokens"),
        ({"supports_metadata": False, "supports_deterministic": False}, "still knows a token"),
    ],
)
def test_altr_check_notices_a_vault_that_lies(flags: dict[str, bool], match: str) -> None:
    backend = type("Liar", (Liar,), flags)("vault", {})
    with pytest.raises(AltrError, match=match):
        list(examine(backend))


def test_altr_check_tells_what_a_vault_cannot_do() -> None:
    backend = type("Plain", (Liar,), dict.fromkeys(FLAGS, False))("vault", {})
    shown = "\n".join(examine(backend))
    for text in ("metadata: this vault keeps none", "tokens: this vault makes none", "delete: this vault cannot"):
        assert text in shown


FLAGS = ("supports_metadata", "supports_deterministic", "supports_delete")


def test_altr_check_names_an_unknown_vault() -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("altr_check", "--vault", "nope", stdout=out, stderr=out)
    assert "no vault 'nope'" in out.getvalue()


@override_settings(ALTR=None)
def test_altr_check_says_that_there_is_no_setting() -> None:
    with pytest.raises(CommandError, match="ALTR must be a dictionary"):
        call_command("altr_check", skip_checks=True)
