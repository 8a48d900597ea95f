"""Methods of the Altcraft API (v1.1), for the tests of ``contrib.altcraft`` and the demo.

``profiles/import``, ``import_batch``, ``delete`` and ``get``, with the answer codes, and the deduplication of modifying
requests for one day. Any other method answers 501.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

from .altcraft_profiles import TEXTS, Code, Profiles
from .wire import Request, Response, Route, dump, strict_loads

__all__ = ["DEFAULT_TOKEN", "Altcraft", "ApiToken"]

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - it protects nothing: the sandbox is for development
BASE = "/api/v1.1/"
#: Seconds that a request is remembered.
MEMORY = 24 * 60 * 60
#: The headers that count, besides the body, for a request without a Request-ID.
CHECKED_HEADERS = ("Content-Type", "Authorization")
SCHEMA = """
CREATE TABLE IF NOT EXISTS altcraft_request (
    key TEXT PRIMARY KEY, request_id TEXT, method TEXT, answer BLOB NOT NULL, time REAL NOT NULL, seen INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token: whether it may write, and the group of objects that it sees."""

    token: str = field(default=DEFAULT_TOKEN, repr=False)
    writes: bool = True
    group: str = "default"


class Altcraft:
    """The platform's profiles, in SQLite. Safe to share among threads.

    What was answered is there after a kill, and so is that it was answered: a request is applied and remembered in one
    transaction. ``databases`` maps each database to its resources; ``tariff`` is the most profiles, ``None`` for no
    limit; ``http_errors`` answers errors with their code as the HTTP status; ``header_prefix`` is ``"X-"`` in older
    versions of the platform.
    """

    def __init__(self, path: str | PathLike[str] | None, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        file = fspath(path or ":memory:")
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)
        self._profiles = Profiles(self._db)
        self._defaults()

    def _defaults(self) -> None:
        self.tokens = {token.token: token for token in [ApiToken()]}
        self.databases: dict[int, set[int]] = {1: {1}, 2: {2}}
        self.tariff: int | None = None
        self.http_errors = False
        self.header_prefix = ""

    def add_token(self, token: ApiToken) -> ApiToken:
        """Accept one more token, until ``clear``."""
        self.tokens[token.token] = token
        return token

    def routes(self, *, control: bool) -> list[Route]:
        methods = {
            "profiles/import": self._import,
            "profiles/import_batch": self._import_batch,
            "profiles/delete": self._delete,
            "profiles/get": self._get,
        }
        routes = [self._route(name, handler, name != "profiles/get") for name, handler in methods.items()]
        # The colon makes it a pattern: whatever else is asked for.
        routes.append(self._route("(?:[^/]+/)*:method", self._missing, False))
        if control:
            routes.append(Route("GET", "/_sandbox/altcraft", self._look, lambda error: None))
        return routes

    def clear(self) -> None:
        """Forget every profile, request and setting."""
        with self._lock:
            self._profiles.clear()
            self._db.execute("DELETE FROM altcraft_request")
        self._defaults()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # What happened

    def profiles(self, db_id: int | None = None) -> list[dict[str, Any]]:
        """Return the profiles, each with its ``id``, in the order added."""
        with self._lock:
            return self._profiles.all(db_id)

    def requests(self) -> list[dict[str, Any]]:
        """Return the modifying requests that were applied, in order; ``seen`` counts the repetitions too."""
        with self._lock:
            rows = self._db.execute("SELECT request_id, method, seen FROM altcraft_request ORDER BY rowid").fetchall()
        return [{"request_id": name, "method": method, "seen": seen} for name, method, seen in rows]

    def _look(self, request: Request) -> Response:
        return Response.json({"profiles": len(self.profiles()), "requests": self.requests()})

    # Answering

    def _route(self, name: str, handler: Callable[..., dict[str, Any]], modifies: bool) -> Route:
        def respond(request: Request) -> Response:
            return self._respond(name, handler, request, modifies)

        return Route("POST", BASE + name, respond, lambda error: {"error": 500, "error_text": TEXTS[500]})

    def _respond(self, name: str, handler: Callable[..., dict[str, Any]], request: Request, modifies: bool) -> Response:
        try:
            params = self._params(request)
            token = self._authorize(request, params, modifies)
            request.values = len(params["data"]) if isinstance(params.get("data"), list) else 1
            with self._lock:
                if modifies:
                    return self._once(name, handler, request, params, token)
                return Response.json({"error": 0, "error_text": TEXTS[0], **handler(params, token)})
        except Code as error:
            status = error.code if self.http_errors else 200
            return Response.json({"error": error.code, "error_text": str(error)}, status)

    def _params(self, request: Request) -> dict[str, Any]:
        if (request.header("Content-Type") or "").partition(";")[0].strip().lower() != "application/json":
            raise Code(415)
        try:
            params = strict_loads(request.body)
        except (ValueError, RecursionError):
            params = None
        if not isinstance(params, dict):
            raise Code(400)
        return params

    def _authorize(self, request: Request, params: Mapping[str, Any], modifies: bool) -> ApiToken:
        scheme, _, bearer = (request.header("Authorization") or "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else params.get("token")
        token = self.tokens.get(given) if isinstance(given, str) else None
        if token is None:
            raise Code(401)
        if modifies and not token.writes:
            raise Code(403)
        return token

    def _once(
        self,
        name: str,
        handler: Callable[..., dict[str, Any]],
        request: Request,
        params: dict[str, Any],
        token: ApiToken,
    ) -> Response:
        """Apply a request, or repeat the answer to it. A request that was refused is forgotten."""
        key = self._key(name, request, token)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            known = self._db.execute("SELECT answer, time FROM altcraft_request WHERE key = ?", [key]).fetchone()
            if known and known[1] > self._clock() - MEMORY:
                self._db.execute("UPDATE altcraft_request SET seen = seen + 1 WHERE key = ?", [key])
                prefix = self.header_prefix
                headers = {f"{prefix}Duplicate-Request": "true", f"{prefix}Duplicate-Key": key}
                answer: bytes = known[0]
            else:
                headers = {}
                answer = dump({"error": 0, "error_text": TEXTS[0], **handler(params, token)})
                row = (key, request.header("Request-ID"), name, answer, self._clock())
                self._db.execute("INSERT OR REPLACE INTO altcraft_request VALUES (?, ?, ?, ?, ?, 1)", row)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return Response(200, answer, {"Content-Type": "application/json", **headers})

    @staticmethod
    def _key(name: str, request: Request, token: ApiToken) -> str:
        request_id = request.header("Request-ID")
        if request_id is not None:
            parts = [request_id.encode("latin-1")]
        else:
            parts = [name.encode(), *((request.header(each) or "").encode("latin-1") for each in CHECKED_HEADERS)]
            parts.append(request.body)
        return hashlib.sha256(b"\0".join([token.token.encode(), *parts])).hexdigest()

    # The methods

    def _import(self, params: dict[str, Any], token: ApiToken) -> dict[str, Any]:
        db_id = self._database(params)
        data = params.get("data")
        if not isinstance(data, dict):
            raise Code(400)
        return {"profile_id": self._put(db_id, params, params, data, token)}

    def _import_batch(self, params: dict[str, Any], token: ApiToken) -> dict[str, Any]:
        db_id = self._database(params)
        items = params.get("data")
        if not isinstance(items, list):
            raise Code(400)
        return {"result": [self._put_one(db_id, params, item, token) for item in items]}

    def _put_one(self, db_id: int, params: dict[str, Any], item: object, token: ApiToken) -> dict[str, Any]:
        try:
            if not isinstance(item, dict):
                raise Code(450)
            data = {name: value for name, value in item.items() if name not in ("profile_id", "phone")}
            profile = self._put(db_id, params, item, data, token)
        except Code as error:
            return {"error": error.code, "error_text": str(error)}
        return {"error": 0, "error_text": TEXTS[0], "profile_id": profile}

    def _put(
        self, db_id: int, params: Mapping[str, Any], where: Mapping[str, Any], data: dict[str, Any], token: ApiToken
    ) -> str:
        return self._profiles.put(db_id, params, where, data, token.group, self.tariff)

    def _delete(self, params: dict[str, Any], token: ApiToken) -> dict[str, Any]:
        profile = self._profiles.one(self._database(params), params, token.group)
        self._profiles.delete(profile)
        return {"data": {"profile_id": profile}}

    def _get(self, params: dict[str, Any], token: ApiToken) -> dict[str, Any]:
        profile = self._profiles.one(self._database(params), params, token.group)
        return {"id": profile, "data": self._profiles.get(profile)}

    def _missing(self, params: dict[str, Any], token: ApiToken) -> dict[str, Any]:
        raise Code(501)

    def _database(self, params: Mapping[str, Any]) -> int:
        db_id, resource = params.get("db_id"), params.get("resource_id")
        if not isinstance(db_id, int) or isinstance(db_id, bool) or not isinstance(resource, int | None):
            raise Code(400)
        if db_id not in self.databases:
            raise Code(404)
        if resource is not None and resource not in self.databases[db_id]:
            raise Code(413)
        return db_id
