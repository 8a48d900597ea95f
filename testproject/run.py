"""`make run`: the sandbox, a migrated database, demo customers, an admin user and the server, until Ctrl-C.

Everything is a process of its own, started here and stopped here. With ``ALTR_URL`` in the environment that vault is
used and no sandbox is started.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
STATE_DIR = Path(os.environ.get("STATE_DIR", ROOT / "var"))
HOST = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 10


class Failed(Exception):
    """The demo cannot go on; the message says why and what to do."""


class Processes:
    """The processes started here; leaving the block stops them, the youngest first."""

    def __init__(self) -> None:
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave a process behind
        while self._running:
            _stop(self._running.pop()[1])

    def start(self, title: str, command: list[str], log: Path | None = None) -> None:
        # In a session of its own, so that Ctrl-C reaches this process only and the order of stopping is ours.
        output = log.open("ab") if log else None
        try:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
        finally:
            if output:
                output.close()
        self._running.append((title, process))

    def check(self) -> None:
        """Raise ``Failed`` if one of the processes has ended."""
        for title, process in self._running:
            if process.poll() is not None:
                raise Failed(f"The {title} has ended by itself (exit code {process.returncode}).")

    def wait_for(self, title: str, port: int) -> None:
        """Return when the port answers."""
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            self.check()
            if time.monotonic() > deadline:
                raise Failed(f"The {title} does not answer on {HOST}:{port} after {START_SECONDS} s.")
            time.sleep(0.05)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit code."""
    options = _parser().parse_args(arguments)
    for number in [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]:
        signal.signal(number, signal.default_int_handler)
    try:
        with Processes() as processes:
            _run(processes, options)
    except KeyboardInterrupt:
        print("\nStopped.")  # noqa: T201
    except Failed as error:
        print(f"\n{error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testproject.run", description=__doc__)
    parser.add_argument("--customers", type=int, default=2000, metavar="N", help="how many to generate (2000)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="load the customers of this file instead")
    parser.add_argument("--port", type=int, default=8000, help="of the web server (8000)")
    parser.add_argument("--vault-port", type=int, default=8200, help="of the sandbox (8200)")
    parser.add_argument("--no-serve", action="store_true", help="prepare everything, then stop")
    return parser


def _run(processes: Processes, options: argparse.Namespace) -> None:
    STATE_DIR.mkdir(parents=True, exist_ok=True)
    own_vault = "ALTR_URL" not in os.environ
    if not options.no_serve:
        _check_free(options.port, "make run PORT=8001")
    if own_vault:
        _check_free(options.vault_port, "make run VAULT_PORT=8201")
        os.environ["ALTR_URL"] = f"altr+http://sandbox-key:sandbox-secret@{HOST}:{options.vault_port}"
        _start_sandbox(processes, options.vault_port)
    _manage("migrate", "--verbosity", "0")
    _manage(
        "demo", *(["--csv", str(options.csv.absolute())] if options.csv else ["--customers", str(options.customers)])
    )
    if not options.no_serve:
        _serve(processes, options.port)


def _source(options: argparse.Namespace) -> list[str]:
    return ["--csv", str(options.csv.absolute())] if options.csv else ["--customers", str(options.customers)]


def _start_sandbox(processes: Processes, port: int) -> None:
    log, data = STATE_DIR / "sandbox.log", STATE_DIR / "vault.sqlite3"
    _say(f"Starting the sandbox vault on {HOST}:{port} (log: {log})")
    command = _command("altr_sandbox", "--host", HOST, "--port", str(port), "--data", str(data))
    processes.start(f"sandbox (its log is {log})", command, log=log)
    processes.wait_for("sandbox", port)


def _serve(processes: Processes, port: int) -> None:
    password = _manage("demo_admin", capture=True).strip()
    processes.start("web server", _command("runserver", f"{HOST}:{port}", "--noreload"))
    processes.wait_for("web server", port)
    _say(f"\n  http://{HOST}:{port}/admin/   user: admin   password: {password}\n\n  Ctrl-C stops everything.\n")
    while True:
        processes.check()
        time.sleep(0.2)


def _manage(*arguments: str, capture: bool = False) -> str:
    """Run a management command to its end; return what it printed if ``capture``."""
    done = subprocess.run(_command(*arguments), cwd=ROOT, stdout=subprocess.PIPE if capture else None, text=True)
    if done.returncode:
        raise Failed(f"`manage.py {arguments[0]}` failed (exit code {done.returncode}); the reason is above.")
    return done.stdout or ""


def _command(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def _check_free(port: int, remedy: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = error.strerror
        else:
            return
    raise Failed(f"Port {port} on {HOST} cannot be used ({reason}). Stop what listens there, or take another: {remedy}")


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
