"""What is shipped: the wheel is complete, installs into an empty environment and works there; the lock is portable."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import django_altr

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
#: Files of the package that are no modules.
DATA_SUFFIXES = {".html", ".css", ".js", ".mo", ".po", ".svg", ".txt", ".json", ".typed"}


def run(*command: object, **options) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("build", reason="the build group is not installed")
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, ROOT)
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The Python of an environment that holds the wheel alone; its dependencies are those of this environment."""
    venv = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", venv)
    python = venv / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(dependencies))
    return python


def test_the_version_is_said_in_one_way_only():
    assert PROJECT["version"] == django_altr.__version__
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_core_depends_on_django_and_requests_only():
    assert sorted(re.split(r"[^\w-]", name)[0] for name in PROJECT["dependencies"]) == ["Django", "requests"]


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(wheel):
    packaged = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "django_altr").rglob("*")
        if path.suffix in {".py", *DATA_SUFFIXES} and "__pycache__" not in path.parts
    }
    assert "django_altr/py.typed" in wanted
    assert not wanted - packaged


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_licence_only(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"django_altr", f"django_altr-{PROJECT['version']}.dist-info"}
    assert f"django_altr-{PROJECT['version']}.dist-info/licenses/LICENSE" in zipfile.ZipFile(wheel).namelist()


@pytest.mark.slow
def test_the_installed_wheel_works_in_an_empty_environment(installed, tmp_path):
    script = """
import django, django_altr
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django_altr"],
    ALTR={"default": {"BACKEND": "django_altr.backends.locmem.LocMemBackend"}},
)
django.setup()
from django.core.management import call_command
call_command("check", verbosity=0)
(token,) = django_altr.vaults["default"].tokenize_many(["Ada"])
assert django_altr.vaults["default"].detokenize_many([token]) == {token: "Ada"}
print(django_altr.__file__)
"""
    *_, where = run(installed, "-c", script, cwd=tmp_path, env={"PATH": ""}).splitlines()
    assert Path(where).is_relative_to(installed.parent.parent)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_the_lock_pins_every_package_by_hash_and_names_no_address(lock):
    lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    pins = [line for line in lines if not line.startswith(" ")]
    hashes = [line for line in lines if line.startswith(" ")]
    assert pins
    assert all(re.fullmatch(r"[a-z0-9._-]+==[\w.]+( ; .+)? \\", line) for line in pins)
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes)
    assert "://" not in lock.read_text()


def test_the_locks_agree_with_each_other():
    versions: dict[str, set[frozenset[str]]] = {}
    for lock in LOCKS:
        pins = {line.split(" ")[0] for line in lock.read_text().splitlines() if "==" in line}
        for name in {pin.split("==")[0] for pin in pins}:
            versions.setdefault(name, set()).add(frozenset(pin for pin in pins if pin.startswith(f"{name}==")))
    assert [name for name, pins in versions.items() if len(pins) > 1] == []


def test_the_lock_holds_every_package_that_the_project_names():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    extras = PROJECT["optional-dependencies"]
    named = [*PROJECT["dependencies"], *(name for extra in extras.values() for name in extra)]
    named += [name for group in groups.values() for name in group if isinstance(name, str)]
    locked = {line.split("==")[0] for lock in LOCKS for line in lock.read_text().splitlines() if "==" in line}
    wanted = {re.split(r"[\s\[<>=;~!]", name)[0].lower().replace("_", "-") for name in named}
    assert not wanted - locked, "run `make lock`"
