"""Environments of the peers, one each: two of them claim the same module name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

__all__ = ["Environments"]

FIELDS = {
    "django-fernet-encrypted-fields": "fernet_encrypted_fields",
    "django-cryptography-5": "cryptography",
    "django-encrypted-model-fields": "encrypted_model_fields",
    "django-searchable-encrypted-fields": "searchable_encrypted_fields",
}
PINS = Path(__file__).with_name("peers.txt")


class Environments:
    """Virtual environments under a folder; ``wanted=False`` gives none."""

    def __init__(self, folder: Path, *, wanted: bool = True) -> None:
        self.folder, self.wanted = folder, wanted
        self.missing: list[str] = []

    def peers(self) -> Iterator[tuple[str, str, str]]:
        """Yield name and version, the function that makes its field, and the interpreter of each peer that installs."""
        for pin in pins() if self.wanted else []:
            name = pin.partition("==")[0]
            python = self.install(name, f"Django=={version('Django')}", pin)
            if python is None:
                self.missing.append(pin)
            else:
                yield pin.replace("==", " "), FIELDS[name], python

    def install(self, name: str, *requirements: str) -> str | None:
        """Return the interpreter of an environment with the requirements, ``None`` if they cannot be installed."""
        home = self.folder / name
        python, stamp = home / "bin" / "python", home / "installed"
        if stamp.exists() and stamp.read_text() == " ".join(requirements):
            return str(python)
        uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
        commands = [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *requirements],
        ]
        for command in commands:
            if subprocess.run(command).returncode:
                return None
        stamp.write_text(" ".join(requirements))
        return str(python)


def pins() -> list[str]:
    lines = (line.strip() for line in PINS.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]
