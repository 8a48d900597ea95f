"""A PostgreSQL database of the soak tests' own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["ROOT", "new_database", "open_connections"]

ROOT = Path(__file__).resolve().parent.parent.parent
#: The server, without the name of a database.
SERVER = os.environ.get("SOAK_DATABASE_SERVER", "postgres://postgres@127.0.0.1:5432")


@contextmanager
def new_database() -> Iterator[str]:
    """Create a database with the tables of the test models; give its URL; drop it."""
    psycopg = pytest.importorskip("psycopg")
    name = f"altr_soak_{uuid.uuid4().hex[:12]}"
    try:
        server = psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError:
        pytest.skip("No PostgreSQL server.")
    try:
        server.execute(f"CREATE DATABASE {name}")
        url = f"{SERVER}/{name}"
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--run-syncdb", "--skip-checks", "--verbosity=0"],
            cwd=ROOT, check=True, timeout=120,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.soak.settings", "DATABASE_URL": url},
        )  # fmt: skip
        yield url
    finally:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.close()


def open_connections(url: str) -> int:
    """Return how many clients are connected to the database."""
    import psycopg

    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as server:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        row = server.execute(query, [url.rpartition("/")[2]]).fetchone()
    assert row is not None
    count: int = row[0]
    return count
