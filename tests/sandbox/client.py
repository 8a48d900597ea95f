"""A client of the sandbox that shares no code with django-altr's own: ``http.client`` and the wire page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django_altr.sandbox import Key


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return self.json()["response"]["error_message"]


def signature(secret: str, method: str, resource: str, date: str) -> str:
    payload = f"{method}\n{resource}\n{date}\n"
    return base64.b64encode(hmac.new(secret.encode(), payload.encode("latin-1"), hashlib.sha256).digest()).decode()


def iso_now(**off: float) -> str:
    return (datetime.now(UTC) + timedelta(**off)).isoformat()


class Client:
    """Signs each call with a key; ``date`` replaces the present time."""

    def __init__(self, url: str, key: Key | None = None, context: Any = None) -> None:
        parts = urlsplit(url)
        self.key = key or Key()
        self.host, self.port = parts.hostname, parts.port
        if parts.scheme == "https":
            self.connection: Any = http.client.HTTPSConnection(self.host, self.port, timeout=10, context=context)
        else:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=10)

    def send(self, method: str, path: str, body: Any = None, headers: Any = None, **kwargs: Any) -> Answer:
        self.connection.request(method, path, body, headers or {}, **kwargs)
        with self.connection.getresponse() as response:
            return Answer(response.status, response.headers, response.read())

    def sign(self, method: str, resource: str = "", date: str | None = None) -> dict[str, str]:
        date = date or iso_now()
        return {
            "X-ALTR-DATE": date,
            "Authorization": f"ALTR {self.key.key}:{signature(self.key.secret, method, resource, date)}",
        }

    # The classic API

    def put(self, data: Any = b"", **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Content-Type": "application/octet-stream", **self.sign("POST"), **headers}
        return self.send("POST", "/api/v1/single/", data, headers)

    def new_token(self, data: Any = b"", **headers: str) -> str:
        return self.put(data, **headers).json()["response"]["data"]["referenceToken"]

    def get(self, token: str, suffix: str = "") -> Answer:
        return self.send("GET", f"/api/v1/single/{token}{suffix}", headers=self.sign("GET", token))

    def batch(self, method: str, values: Any, **headers: str) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Content-Type": "application/json", **self.sign(method), **headers}
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        return self.send(method, "/api/v1/batch", body, headers)

    def post_batch(self, values: Any, **headers: str) -> Answer:
        return self.batch("POST", values, **headers)

    def get_batch(self, values: Any, **headers: str) -> Answer:
        return self.batch("PUT", values, **headers)

    # v2

    def v2(self, method: str, path: str, values: Any, **headers: str) -> Answer:
        credentials = base64.b64encode(f"{self.key.key}:{self.key.secret}".encode()).decode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {credentials}", **headers}
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        return self.send(method, path, body, headers)

    # Beneath HTTP

    def raw(self, data: bytes) -> bytes:
        """Send bytes; return everything that comes back until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except ConnectionResetError:
                pass
            return received

    def close(self) -> None:
        self.connection.close()
