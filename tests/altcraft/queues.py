"""Backends of Django's Tasks with workers of their own: the database, and RQ with a Redis of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

__all__ = ["BACKENDS", "Queue"]


@dataclass(frozen=True)
class Queue:
    """Where tasks wait."""

    #: Lines of a settings module.
    settings: str
    #: The arguments of ``manage.py`` that start a worker.
    worker: tuple[str, ...]
    #: Return all that the queue has kept; takes a function that runs code in a shell of the project.
    dump: Callable[[Callable[[str], str]], str]


@contextlib.contextmanager
def database() -> Iterator[Queue]:
    yield Queue(
        settings="""
INSTALLED_APPS += ["django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
""",
        worker=("db_worker", "--interval", "0.1", "--no-startup-delay", "--no-reload"),
        dump=lambda shell: shell(
            "from django_tasks_db.models import DBTaskResult; print(list(DBTaskResult.objects.values()))"
        ),
    )


@contextlib.contextmanager
def redis() -> Iterator[Queue]:
    with redis_server() as url:
        yield Queue(
            settings=f"""
INSTALLED_APPS += ["django_rq", "django_tasks_rq"]
TASKS = {{"default": {{"BACKEND": "django_tasks_rq.RQBackend"}}}}
RQ_QUEUES = {{"default": {{"URL": {url!r}}}}}
MIGRATION_MODULES = {{"django_rq": None}}  # one of them forgets that it needs those of auth
""",
            worker=("rqworker", "--job-class", "django_tasks_rq.Job", "--with-scheduler"),
            dump=lambda shell: dump_redis(url),
        )


BACKENDS = {"database": database, "redis": redis}


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis that nobody else uses; give its URL."""
    from redis import ConnectionError, Redis

    if (program := shutil.which("redis-server")) is None:
        pytest.skip("redis-server is not installed")
    # A socket's path must be short: that of pytest's folders is not, on every system.
    with tempfile.TemporaryDirectory(prefix="altr-") as folder:
        command = [program, "--port", "0", "--unixsocket", f"{folder}/redis", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        url = f"unix://{folder}/redis"
        try:
            for _ in range(200):
                with contextlib.suppress(ConnectionError), Redis.from_url(url) as client:
                    client.ping()
                    break
                time.sleep(0.05)
            yield url
        finally:
            server.terminate()
            server.wait()


def dump_redis(url: str) -> str:
    from redis import Redis

    kept: list[bytes] = []
    with Redis.from_url(url) as client:
        for key in client.scan_iter():
            kept += [key, client.dump(key) or b""]
            if client.type(key) == b"hash":
                kept += client.hvals(key)
    return "\n".join(_inflated(each).decode(errors="replace") for each in kept)


def _inflated(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
