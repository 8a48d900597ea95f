from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest
from django.test import override_settings

import django_altr
from django_altr.backends import InvalidVaultError, VaultHandler, vaults
from django_altr.backends.chain import ChainBackend
from django_altr.backends.locmem import LocMemBackend
from django_altr.http.forks import _after_fork

LOCMEM = {"BACKEND": "django_altr.backends.locmem.LocMemBackend"}
CHAIN = {
    "BACKEND": "django_altr.backends.chain.ChainBackend",
    "LOCATION": "https://altr.example.com",
    "KEY": "key",
    "SECRET": "Canary-secret",
}


def test_is_importable_from_the_package() -> None:
    assert django_altr.vaults is vaults


def test_a_process_has_one_backend_per_alias() -> None:
    seen: list[Any] = []
    with override_settings(ALTR={"default": LOCMEM, "other": LOCMEM}):
        threads = [threading.Thread(target=lambda: seen.append(vaults["default"])) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(map(id, seen)) == {id(vaults["default"])}
        assert vaults["other"] is not vaults["default"]


def test_follows_changed_settings() -> None:
    before = vaults["default"]
    with override_settings(ALTR={"default": LOCMEM | {"LOCATION": "elsewhere"}}):
        assert vaults["default"] is not before
        assert vaults["default"].alias == "default"


def test_closes_the_backends_of_old_settings() -> None:
    closed: list[str] = []

    class Closing(LocMemBackend):
        def close(self) -> None:
            closed.append(self.alias)

    with override_settings(ALTR={"default": LOCMEM}):
        vaults["default"] = Closing("default", LOCMEM)
    assert closed == ["default"]


def test_lists_the_vaults() -> None:
    with override_settings(ALTR={"default": LOCMEM, "other": LOCMEM}):
        assert list(vaults) == ["default", "other"]
        assert vaults.all(initialized_only=True) == []
        assert [vault.alias for vault in vaults.all()] == ["default", "other"]
        assert "other" in vaults
        del vaults["other"]
        assert [vault.alias for vault in vaults.all(initialized_only=True)] == ["default"]


def test_takes_settings_of_its_own() -> None:
    assert VaultHandler({"mine": LOCMEM})["mine"].alias == "mine"


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({}, "BACKEND"),
        ("altr://key:Canary-secret@host", "must be a dictionary with BACKEND"),
        ({"BACKEND": "nowhere.Backend"}, "cannot be imported"),
        ({"BACKEND": "django_altr.backends.base.TokenStatus"}, "no vault backend"),
        (CHAIN | {"KEY": ""}, "KEY is missing"),
        (CHAIN | {"KEY": "key:Canary-secret"}, "colon"),
        (CHAIN | {"LOCATION": ""}, "LOCATION is missing"),
        (CHAIN | {"LOCATION": "http://altr.example.com"}, "plain http"),
        (CHAIN | {"LOCATION": "https://key:Canary-secret@host"}, "key and secret go into"),
        (CHAIN | {"OPTIONS": {"verify": False}}, "'verify' is unknown"),
        (CHAIN | {"OPTIONS": {"timeout": 0}}, "'timeout' .* over 0"),
        (CHAIN | {"OPTIONS": [1]}, "OPTIONS is no dictionary"),
    ],
)
def test_an_unusable_entry_says_why_and_shows_no_secret(entry: Any, match: str) -> None:
    from tests.http.leaks import leaks_of

    with override_settings(ALTR={"default": entry}), pytest.raises(InvalidVaultError, match=match) as caught:
        vaults["default"]
    assert leaks_of(caught.value, "Canary-secret") == []


def test_an_unknown_alias_says_which_there_are() -> None:
    with pytest.raises(InvalidVaultError, match="no vault 'nope' .* 'default'"):
        vaults["nope"]


@pytest.mark.parametrize("setting", [None, {}, []])
def test_a_missing_setting_says_what_to_write(setting: Any) -> None:
    with override_settings(ALTR=setting), pytest.raises(InvalidVaultError, match="parse_altr_url"):
        vaults["default"]


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:8200", "http://127.1.2.3", "http://[::1]:8200", "http://localhost"]
)
def test_plain_http_is_for_this_machine(location: str) -> None:
    assert ChainBackend("vault", CHAIN | {"LOCATION": location}).alias == "vault"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_forked_while_the_lock_is_held_does_not_hang() -> None:
    handler = vaults
    with override_settings(ALTR={"default": LOCMEM, "other": LOCMEM}), handler._lock:
        child = os.fork()
        if child == 0:  # pragma: no cover
            signal.alarm(20)
            os._exit(0 if handler["other"].alias == "other" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_every_backend_is_told_of_a_fork() -> None:
    told: list[str] = []

    class Told(LocMemBackend):
        def after_fork(self) -> None:
            told.append(self.alias)

    backend, handler = Told("mine", LOCMEM), VaultHandler({"mine": LOCMEM})
    lock = handler._lock
    _after_fork()
    assert told == [backend.alias]
    assert handler._lock is not lock


def test_token_pattern_is_an_option() -> None:
    backend = LocMemBackend("vault", {"OPTIONS": {"token_pattern": r"tok-\d+"}})
    assert backend.is_token("tok-1")
    assert not backend.is_token("chain_" + "0" * 64)
