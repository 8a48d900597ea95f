"""The samples of the documentation work: the tutorial is followed, word for word, in a new directory."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
import requests

from django_altr.masks import MASK

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=ticks)$", re.MULTILINE | re.DOTALL)
#: Runs pasted text as doctest in the project: what the page shows must be what is printed.
DOCTEST = """
import doctest, sys, django
django.setup()
test = doctest.DocTestParser().get_doctest(sys.argv[1], {}, "tutorial", "tutorial.md", 0)
raise SystemExit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed)
"""


@dataclass(frozen=True)
class Block:
    language: str
    caption: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    for match in FENCE.finditer(page.read_text()):
        language = match["info"].replace("{code-block}", "").strip()
        text, caption = match["body"], ""
        if text.startswith(":caption:"):
            caption, _, text = text.removeprefix(":caption:").partition("\n")
        yield Block(language, caption.strip(), text.lstrip("\n"))


def sessions(found: Iterable[Block]) -> Iterator[Block]:
    """Join what is typed into one Python session."""
    for language, group in groupby(found, key=lambda block: block.language):
        if language == "pycon":
            yield Block(language, "", "".join(block.text for block in group))
        else:
            yield from group


class Reader:
    """Somebody who follows the tutorial, with other ports: those of the page may be taken."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.vault_port, self.port = free_port(), free_port()
        self.servers: list[subprocess.Popen[bytes]] = []
        self.env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")} | {
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "DJANGO_SUPERUSER_USERNAME": "admin",
            "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
            "DJANGO_SUPERUSER_PASSWORD": "tutorial",
        }

    def follow(self, block: Block) -> None:
        if block.language == "console":
            for line in block.text.splitlines():
                self.enter(line.removeprefix("$ "))
        elif block.language == "pycon":
            self.run(sys.executable, "-c", DOCTEST, block.text)
        elif block.caption:
            self.write(block)

    def enter(self, command: str) -> None:
        program, *arguments = command.split()
        assert program == "python", command
        if arguments[:3] == ["-m", "pip", "install"] or arguments[-1] == "shell":
            return  # it is installed; what goes into the shell is in the blocks that follow
        if "altr_sandbox" in arguments:
            self.serve(self.vault_port, *arguments, "--port", str(self.vault_port))
        elif "runserver" in arguments:
            self.serve(self.port, *arguments, f"127.0.0.1:{self.port}", "--noreload")
        else:
            self.run(sys.executable, *arguments, *(["--noinput"] if "createsuperuser" in arguments else []))

    def run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=self.directory, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def serve(self, port: int, *arguments: str) -> None:
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([sys.executable, *arguments], cwd=self.directory, env=self.env, **silent)
        self.servers.append(process)
        deadline = time.monotonic() + 30
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def write(self, block: Block) -> None:
        name, _, place = block.caption.partition(" ")
        path = self.directory / name
        before = path.read_text() if place else ""
        path.write_text(before + block.text.replace(":8200", f":{self.vault_port}"))

    def leave(self) -> None:
        for process in self.servers:
            process.terminate()
        for process in self.servers:
            process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_the_tutorial_leads_from_an_empty_directory_to_the_admin_and_to_tests(tmp_path):
    reader = Reader(tmp_path)
    try:
        for page in ["tutorial.md", "howto-test.md"]:
            for block in sessions(blocks(ROOT / "docs" / page)):
                reader.follow(block)
        page = open_person(f"http://127.0.0.1:{reader.port}/admin/")
    finally:
        reader.leave()
    assert MASK in page
    assert "ada@example.com" not in page


def open_person(url: str) -> str:
    with requests.Session() as browser:
        browser.get(url)
        login = {"username": "admin", "password": "tutorial", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post(f"{url}login/", data=login, headers={"Referer": url})
        return browser.get(f"{url}people/person/1/change/").text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_sample_compiles(page):
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_that_a_sample_imports_from_the_package_exists(page):
    imports = re.compile(r"^(?:>>> )?(from django_altr[\w.]* import [\w, ]+)$", re.MULTILINE)
    for block in blocks(page):
        for statement in imports.findall(block.text):
            exec(statement, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_commands_of_the_readme_are_targets_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^\$ make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)) == {"run", "test"}
    assert {"run", "test"} <= targets
