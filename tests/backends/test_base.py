from __future__ import annotations

import pickle

import pytest

from django_altr.backends.base import BaseBackend
from django_altr.backends.remote import RemoteBackend
from django_altr.redact import Redacted


def test_a_subclass_must_say_how_to_store_and_read() -> None:
    backend = BaseBackend("vault", {})
    for call in (lambda: backend.tokenize_many([]), lambda: backend.find_many([])):
        with pytest.raises(NotImplementedError):
            call()
    backend.close()
    backend.after_fork()


def test_a_remote_subclass_must_say_how_it_signs() -> None:
    with pytest.raises(NotImplementedError):
        RemoteBackend("vault", {"LOCATION": "https://host", "KEY": "key", "SECRET": "secret"})


def test_what_is_redacted_shows_nothing_and_is_not_pickled() -> None:
    hidden = Redacted(["Canary"])
    assert (len(hidden), hidden.reveal()) == (1, ["Canary"])
    assert Redacted(None)
    assert f"{hidden} {hidden!r}" == "<redacted> <redacted>"
    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps(hidden)
    assert "Canary" not in str(caught.value)
