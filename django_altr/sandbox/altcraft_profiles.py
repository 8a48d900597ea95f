"""The profiles of the sandbox's Altcraft, and the rules of matching them."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

__all__ = ["TEXTS", "Code", "Profiles"]

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
PHONE = re.compile(r"\+?[0-9 ().x-]{5,40}")

SCHEMA = """
CREATE TABLE IF NOT EXISTS altcraft_profile (
    id TEXT PRIMARY KEY, db_id INTEGER NOT NULL, grp TEXT NOT NULL, email TEXT, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS altcraft_profile_email ON altcraft_profile (db_id, email);
CREATE TABLE IF NOT EXISTS altcraft_phone (profile TEXT NOT NULL, db_id INTEGER NOT NULL, phone TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS altcraft_phone_phone ON altcraft_phone (db_id, phone);
CREATE INDEX IF NOT EXISTS altcraft_phone_profile ON altcraft_phone (profile);
"""

TEXTS = {
    0: "Successful operation",
    400: "Incorrect request",
    401: "API token required",
    402: "Tariff limit reached",
    403: "No rights for this action",
    404: "The object is not found in the token vision zone",
    409: "Another record with the same unique attributes already exists",
    413: "The database is not available in the selected resource",
    415: "Requested Content-Type is not supported",
    429: "The number of requests set in the configuration file has been exceeded",
    435: "Ambiguous search, there are several objects with given attributes",
    441: "The object belongs to another group",
    450: "Request validation error",
    500: "Internal service error",
    501: "The method does not exist",
}


class Code(Exception):
    """An answer with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(TEXTS[code])
        self.code = code


class Profiles:
    """Profiles in SQLite. The caller holds the lock and the transaction; refusals are raised as ``Code``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)

    def all(self, db_id: int | None) -> list[dict[str, Any]]:
        """Return the profiles of a database, or of all, in the order added."""
        where, values = ("", ()) if db_id is None else (" WHERE db_id = ?", (db_id,))
        rows = self._db.execute(f"SELECT id, data FROM altcraft_profile{where} ORDER BY rowid", values).fetchall()  # noqa: S608
        return [{"id": profile, **json.loads(data)} for profile, data in rows]

    def clear(self) -> None:
        for table in ("profile", "phone"):
            self._db.execute(f"DELETE FROM altcraft_{table}")  # noqa: S608

    def get(self, profile: str) -> dict[str, Any]:
        """Return the data of a profile that is there."""
        (data,) = self._db.execute("SELECT data FROM altcraft_profile WHERE id = ?", [profile]).fetchone()
        values: dict[str, Any] = json.loads(data)
        return values

    def delete(self, profile: str) -> None:
        self._db.execute("DELETE FROM altcraft_profile WHERE id = ?", [profile])
        self._db.execute("DELETE FROM altcraft_phone WHERE profile = ?", [profile])

    def put(
        self,
        db_id: int,
        params: Mapping[str, Any],
        where: Mapping[str, Any],
        data: dict[str, Any],
        group: str,
        tariff: int | None,
    ) -> str:
        """Add a profile, or update the one that matches; return its id. ``where`` holds the matching value."""
        check(data)
        found = self._find(db_id, params, where)
        if len(found) > 1:
            raise Code(435)
        if not found and params.get("matching") == "profile_id":
            raise Code(404)
        if found and self._group(found[0]) != group:
            raise Code(441)
        profile = found[0] if found else secrets.token_hex(12)
        if (email := data.get("email")) and self._by_email(db_id, email) not in ([], [profile]):
            raise Code(409)
        if found:
            (known,) = self._db.execute("SELECT data FROM altcraft_profile WHERE id = ?", [profile]).fetchone()
            data = json.loads(known) | data
        elif tariff is not None and len(self) >= tariff:
            raise Code(402)
        elif params.get("matching", "email") == "email":
            data = {"email": where["email"], **data}
        self._write(profile, db_id, group, data)
        return profile

    def _write(self, profile: str, db_id: int, group: str, data: dict[str, Any]) -> None:
        email = str(data.get("email") or "").lower() or None
        text = json.dumps(data)
        if not self._is_json(text):
            raise Code(450)
        row = (profile, db_id, group, email, text)
        changes = "ON CONFLICT (id) DO UPDATE SET email = excluded.email, data = excluded.data"
        self._db.execute(f"INSERT INTO altcraft_profile VALUES (?, ?, ?, ?, ?) {changes}", row)  # noqa: S608
        self._db.execute("DELETE FROM altcraft_phone WHERE profile = ?", [profile])
        phones = [(profile, db_id, phone) for phone in data.get("phones") or []]
        self._db.executemany("INSERT INTO altcraft_phone VALUES (?, ?, ?)", phones)

    def _is_json(self, text: str) -> bool:
        """Tell whether SQLite can search it: it gives up at a depth that Python still parses."""
        (valid,) = self._db.execute("SELECT json_valid(?)", [text]).fetchone()
        return bool(valid)

    def one(self, db_id: int, params: Mapping[str, Any], group: str) -> str:
        """Return the id of the profile that matches."""
        found = self._find(db_id, params, params)
        if not found:
            raise Code(404)
        if len(found) > 1:
            raise Code(435)
        if self._group(found[0]) != group:
            raise Code(441)
        return found[0]

    def _find(self, db_id: int, params: Mapping[str, Any], where: Mapping[str, Any]) -> list[str]:
        """Return the profiles that match. ``where`` holds the matching value."""
        matching = params.get("matching", "email")
        if matching == "custom":
            name = params.get("field_name")
            value = where.get("field_value", where.get(name) if isinstance(name, str) else None)
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_]+", name) or not is_key(value):
                raise Code(450)
            query = f"SELECT id FROM altcraft_profile WHERE db_id = ? AND json_extract(data, '$.{name}') = ?"  # noqa: S608
            return self._ids(query, db_id, value)
        value = where.get(matching) if matching in ("email", "phone", "profile_id") else None
        if not isinstance(value, str) or not is_key(value):
            raise Code(450)
        if matching == "email":
            return self._by_email(db_id, value)
        if matching == "phone":
            return self._ids("SELECT DISTINCT profile FROM altcraft_phone WHERE db_id = ? AND phone = ?", db_id, value)
        return self._ids("SELECT id FROM altcraft_profile WHERE db_id = ? AND id = ?", db_id, value)

    def _by_email(self, db_id: int, email: str) -> list[str]:
        return self._ids("SELECT id FROM altcraft_profile WHERE db_id = ? AND email = ?", db_id, email.lower())

    def _ids(self, query: str, *values: object) -> list[str]:
        return [profile for (profile,) in self._db.execute(query, values)]

    def _group(self, profile: str) -> str:
        (group,) = self._db.execute("SELECT grp FROM altcraft_profile WHERE id = ?", [profile]).fetchone()
        return str(group)

    def __len__(self) -> int:
        (count,) = self._db.execute("SELECT COUNT(*) FROM altcraft_profile").fetchone()
        return int(count)


def check(data: Mapping[str, Any]) -> None:
    """Answer 450 for data that is not valid."""
    email, phones = data.get("email"), data.get("phones")
    if email not in (None, "") and not (isinstance(email, str) and is_key(email) and EMAIL.fullmatch(email)):
        raise Code(450)
    if phones is not None and not (
        isinstance(phones, list) and all(isinstance(phone, str) and PHONE.fullmatch(phone) for phone in phones)
    ):
        raise Code(450)


def is_key(value: object) -> bool:
    """Tell whether a value can be looked up: a text that is valid UTF-8 and not empty, or a 64-bit number."""
    if isinstance(value, str):
        return value != "" and not any(0xD800 <= ord(character) < 0xE000 for character in value)
    return isinstance(value, int) and -(2**63) <= value < 2**63
