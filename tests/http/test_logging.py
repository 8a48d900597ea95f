from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from tests.backends.conftest import MakeBackend


def test_logs_calls_without_tokens_values_or_secrets(
    make_backend: MakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    backend = make_backend("chain")
    [token] = backend.tokenize_many(["Canary 4711"], metadata="label")
    backend.find_many([token])
    backend.metadata(token)
    ours = [record.getMessage() for record in caplog.records if record.name == "django_altr.http"]
    assert [line.rpartition(" in ")[0] for line in ours] == [
        "POST /api/v1/single/ 200", "PUT /api/v1/batch 200", "GET /api/v1/single/:referenceToken/metadata 200",
    ]  # fmt: skip
    assert "Canary" not in caplog.text
    assert "sandbox-secret" not in caplog.text


def test_the_client_imports_no_django() -> None:
    code = "import sys, django_altr.http; sys.exit(any(name.split('.')[0] == 'django' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
