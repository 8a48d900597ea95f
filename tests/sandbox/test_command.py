"""``manage.py altr_sandbox`` and ``python -m django_altr.sandbox``."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
import trustme
from django.core.management import CommandError, call_command

from django_altr.sandbox import DEFAULT_KEY, DEFAULT_SECRET, Key
from django_altr.sandbox.__main__ import main
from django_altr.sandbox.cli import stop_signals
from tests.sandbox_fixture import spawn_sandbox

from .client import Client


def refused(*args):
    with pytest.raises(CommandError) as caught:
        call_command("altr_sandbox", *args, stdout=StringIO())
    return str(caught.value)


def test_it_says_what_it_is_and_how_to_reach_it(tmp_path):
    with spawn_sandbox(tmp_path) as process:
        assert "development" in process.output
        assert "sandbox.sqlite3" in process.output
        line = f"ALTR_URL=altr+http://{DEFAULT_KEY}:{DEFAULT_SECRET}@127.0.0.1:{process.port}\n"
        assert line in process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(tmp_path, number):
    with spawn_sandbox(tmp_path) as process:
        client = Client(process.url)
        client.put(b"Ada")
        assert process.stop(number) == 0
        client.close()
        assert process.output.endswith("Stopped.\n")
        assert "Traceback" not in process.output


def test_an_acknowledged_value_is_there_after_kill_9(tmp_path):
    with spawn_sandbox(tmp_path) as process:
        client = Client(process.url)
        tokens = {str(number): client.new_token(f"value {number}".encode()) for number in range(50)}
        batch = client.post_batch({"a": "Ada"}).json()
        process.kill()
        client.close()
        process.start()
        assert client.get_batch(tokens).json() == {str(number): f"value {number}" for number in range(50)}
        assert client.get_batch(batch).json() == {"a": "Ada"}
        client.close()


def test_keys_of_ones_own(tmp_path):
    options = ["--key=mine", "--secret=p w:d", "--read-only-key=r:s:1", "--write-only-key=w:s2"]
    with spawn_sandbox(tmp_path, *options) as process:
        statuses = {}
        for key in (Key("mine", "p w:d"), Key("r", "s:1"), Key("w", "s2"), Key()):
            client = Client(process.url, key)
            statuses[key.key] = [client.put(b"Ada").status, client.get_batch({}).status]
            client.close()
        assert statuses == {"mine": [200, 200], "r": [403, 200], "w": [200, 403], DEFAULT_KEY: [401, 401]}
        assert "p w:d" not in process.output
        assert "altr+http://mine:<secret>@127.0.0.1" in process.output


def test_limits_and_control(tmp_path):
    with spawn_sandbox(tmp_path, "--data-cap=3", "--rate-limit=1", "--control", "--threads=2") as process:
        client = Client(process.url)
        assert client.put(b"abcd").error == "Organization data cap exceeded"
        assert [client.v2("POST", "/v2/batch", {}).status for _ in range(2)] == [200, 429]
        assert client.send("GET", "/_sandbox/requests").status == 200
        client.close()


def test_it_runs_without_django(tmp_path):
    code = (
        "import sys\n"
        "from django_altr.sandbox.__main__ import main\n"
        "from django_altr.sandbox import Sandbox\n"
        "with Sandbox(): pass\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'django'])\n"
    )
    environment = {"PYTHONPATH": "."}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_the_module_serves_and_stops(tmp_path):
    command = [sys.executable, "-m", "django_altr.sandbox", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(4)]
        client = Client(re.search(r"http://\S+", lines[1])[0])
        assert client.put(b"Ada").status == 200
        client.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert "in memory" in lines[2]


def test_the_module_says_what_is_wrong(capsys):
    assert main(["--host=0.0.0.0"]) == 1
    assert "--allow-remote" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_the_handlers_are_put_back(number):
    class Terminal(StringIO):
        def flush(self):
            if "ALTR_URL=" in self.getvalue() and "Stopped." not in self.getvalue():
                os.kill(os.getpid(), number)

    before, terminal = signal.getsignal(number), Terminal()
    call_command("altr_sandbox", "--port=0", stdout=terminal)
    assert terminal.getvalue().endswith("Stopped.\n")
    assert signal.getsignal(number) is before


def test_a_signal_that_reaches_another_thread_ends_the_waiting():
    """The system chooses the thread. Python runs the handler in the main one, which has to wake up for it."""

    def interrupt():
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with stop_signals() as wait, ThreadPoolExecutor(1) as pool:
        pool.submit(interrupt)
        wait()


def test_outside_of_the_main_thread_signals_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)

    def look():
        with stop_signals():
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(look).result() is before


def test_https_from_the_command_line(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    with spawn_sandbox(tmp_path, f"--tls-cert={tmp_path}/cert.pem", f"--tls-key={tmp_path}/key.pem") as process:
        assert process.url.startswith("https://")
        assert "ALTR_URL=altr://" in process.output
        context = ssl.create_default_context()
        authority.configure_trust(context)
        client = Client(process.url, context=context)
        assert client.put(b"Ada").status == 200
        client.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "vault.example.com"])
def test_other_machines_are_kept_out(host):
    assert "--allow-remote" in refused(f"--host={host}")


def test_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as other:
        message = refused(f"--port={other.getsockname()[1]}")
    assert "in use" in message
    assert "--port" in message


def test_a_missing_server_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "cheroot", None)
    monkeypatch.delitem(sys.modules, "django_altr.sandbox.server", raising=False)
    assert "django-altr[sandbox]" in refused("--port=0")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--port=65536", "--port"),
        ("--port=-1", "--port"),
        ("--threads=0", "--threads"),
        ("--data-cap=-5", "--data-cap"),
        ("--rate-limit=0", "--rate-limit"),
        ("--read-only-key=key", "--read-only-key takes KEY:SECRET"),
        ("--write-only-key=:secret", "--write-only-key takes KEY:SECRET"),
        ("--key=a:b", "colon"),
        ("--tls-cert=cert.pem", "--tls-key"),
        ("--data=/nowhere/at/all", "--data"),
    ],
)
def test_options_that_make_no_sense(option, reason):
    assert reason in refused(option)


def test_a_certificate_that_is_none(tmp_path):
    path = tmp_path / "cert.pem"
    path.write_text("nonsense")
    assert "--tls-cert" in refused(f"--tls-cert={path}", f"--tls-key={path}")
