"""`make run`: starts everything, says how to get in, stops everything."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Demo:
    """One `make run` with ports and state of its own."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port, self.vault_port = free_port(), free_port()
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str, **environ: str) -> None:
        env = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        env |= {"STATE_DIR": str(self.state), "PYTHONWARNINGS": "default", "PYTHONUNBUFFERED": "1"} | environ
        env.pop("DJANGO_SETTINGS_MODULE", None)
        command = [sys.executable, "-m", "testproject.run", "--customers", "20"]
        command += ["--port", str(self.port), "--vault-port", str(self.vault_port), *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def run(self, *arguments: str, **environ: str) -> tuple[int, str]:
        self.start(*arguments, **environ)
        output, _ = self.process.communicate(timeout=100)
        return self.process.returncode, output

    def read_until(self, pattern: str) -> re.Match[str]:
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if match := re.search(pattern, line):
                return match
        pytest.fail("".join(lines))

    def finish(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=100)
        return self.process.returncode, output

    def customers(self) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.state / "db.sqlite3") as database:
            return database.execute("SELECT name, email, birth_date FROM shop_customer ORDER BY id").fetchall()


@pytest.fixture
def demo(tmp_path):
    demo = Demo(tmp_path / "state")
    yield demo
    if demo.process and demo.process.poll() is None:
        demo.process.terminate()
        demo.process.wait(100)
    if demo.process:
        demo.process.stdout.close()
    deadline = time.monotonic() + 5
    while (listens(demo.port) or listens(demo.vault_port)) and time.monotonic() < deadline:
        time.sleep(0.1)


def test_no_serve_prepares_everything_and_stops(demo):
    code, output = demo.run("--no-serve")
    assert code == 0, output
    assert "20 loaded" in output
    assert "Reading the e-mail addresses of all 20 customers in a loop took 1 vault request" in output
    rows = demo.customers()
    assert len(rows) == 20
    assert all(re.fullmatch(r"\w+_[\w+/=.-]{16,}", token) for row in rows for token in row)
    assert not listens(demo.vault_port)


def test_a_second_run_loads_nothing_twice(demo):
    demo.run("--no-serve")
    before = demo.customers()
    code, output = demo.run("--no-serve")
    assert code == 0, output
    assert demo.customers() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_admin_is_served_with_the_printed_password_until_a_signal(demo, number):
    demo.start()
    url, password = demo.read_until(r"(http\S+/admin/)\s+user: admin\s+password: (\S+)").groups()
    with requests.Session() as browser:
        browser.get(url)
        login = {"username": "admin", "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post(f"{url}login/?next=/admin/shop/customer/", data=login, headers={"Referer": url})
        page = browser.get(f"{url}shop/customer/")
        listing = browser.get(url.replace("/admin/", "/shop/customers/"))
    assert page.status_code == 200
    assert "20 customers" in page.text
    assert "@example.com" in listing.text
    demo.process.send_signal(number)
    code, output = demo.finish()
    assert code == 0, output
    assert "Stopped." in output
    assert not listens(demo.port)
    assert not listens(demo.vault_port)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds the sandbox through /proc")
def test_when_the_sandbox_dies_the_rest_stops_and_the_reason_is_said(demo):
    demo.start()
    demo.read_until("Ctrl-C")
    os.kill(process_with("altr_sandbox", str(demo.vault_port)), signal.SIGKILL)
    code, output = demo.finish()
    assert code == 1
    assert "The sandbox" in output
    assert "has ended by itself" in output
    assert not listens(demo.port)


def process_with(*words: str) -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text().split("\0")
        except OSError:
            continue
        if all(word in command for word in words):
            return int(path.parent.name)
    pytest.fail(f"no process with {words}")


@pytest.mark.parametrize("option", ["PORT", "VAULT_PORT"])
def test_a_taken_port_is_named_with_the_remedy_and_nothing_is_started(demo, option):
    with socket.socket() as other:
        other.bind(("127.0.0.1", demo.port if option == "PORT" else demo.vault_port))
        other.listen()
        code, output = demo.run()
    assert code == 1
    assert f"make run {option}=" in output
    assert not (demo.state / "db.sqlite3").exists()


def test_with_a_vault_in_the_environment_no_sandbox_is_started(demo):
    code, output = demo.run("--no-serve", ALTR_URL="altr-locmem://")
    assert code == 0, output
    assert "sandbox" not in output


def test_a_csv_file_with_a_bad_row_is_loaded_without_it(demo, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name,email\nAda,ada@example.com\nBob,nowhere\n")
    code, output = demo.run("--no-serve", "--csv", str(path))
    assert code == 0, output
    assert "line 3: email is not valid" in output
    assert len(demo.customers()) == 1
