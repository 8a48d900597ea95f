from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_altr.sandbox import Sandbox

#: ALTR's official client. GPL: it has an environment and a process of its own.
REQUIREMENT = "altr-mcp==0.8.0"
SCRIPT = Path(__file__).with_name("official_client.py")


@pytest.fixture(scope="session")
def client_python(request: pytest.FixtureRequest) -> Path:
    """Make an environment with the client, once; skip where that is impossible."""
    cached = Path(request.config.cache.mkdir("altr-mcp")) / f"{sys.version_info[0]}.{sys.version_info[1]}-{REQUIREMENT}"
    if not cached.exists():
        unfinished = cached.with_suffix(f".{os.getpid()}")
        try:
            _install(unfinished)
            unfinished.rename(cached)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr or error.stdout or b"").decode(errors="replace").strip()[-300:]
            pytest.skip(f"{REQUIREMENT} cannot be installed here: {reason}")
        except OSError:  # another worker was faster
            assert cached.exists()
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return cached / "bin" / "python"


def _install(directory: Path) -> None:
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--retries=1", REQUIREMENT], capture_output=True, check=True
    )


OfficialClient = Callable[..., list[str]]


@pytest.fixture
def official_client(client_python: Path, sandbox: Sandbox) -> OfficialClient:
    """Call ``call(service, name, values)`` of the official client; give the answer's values."""

    def call(service: str, name: str, values: list[str], **options: Any) -> list[str]:
        data = {f"field{position:03}": value for position, value in enumerate(values)}
        request = {"service": service, "call": name, "data": data, "options": options}
        done = subprocess.run(
            [client_python, SCRIPT], input=json.dumps(request), env=environment(sandbox),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout.splitlines()[-1])  # after its log
        assert answer["success"] is True, answer
        return [answer["data"][key] for key in data if key in answer.get("data", {})]

    return call


def environment(sandbox: Sandbox) -> dict[str, str]:
    vaulted, critical = sandbox.settings("vaulted"), sandbox.settings("critical")
    return {
        **{name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")},
        "ORG_ID": "sandbox",
        "MAPI_KEY": vaulted["KEY"],
        "MAPI_SECRET": vaulted["SECRET"],
        "ALTR_VAULT_BASE_URL": vaulted["LOCATION"],
        "ALTR_CRITICAL_BASE_URL": critical["LOCATION"],
        "DISABLE_RETRY": "true",
        "PYTHONPATH": "",
    }
