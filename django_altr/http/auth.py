"""Credentials of a request: ALTR's HMAC signature (v1) and HTTP Basic (v2).

They go through requests' ``auth=``: an ``Authorization`` header given as a plain header is replaced by a netrc entry.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

from requests import PreparedRequest
from requests.auth import AuthBase

__all__ = ["BasicAuth", "HmacAuth", "utcnow"]


def utcnow() -> datetime:
    return datetime.now(UTC)


class HmacAuth(AuthBase):
    """``Authorization: ALTR key:signature``; the signature covers method, resource and date.

    It is computed when the request is prepared, so every try carries a fresh date.
    """

    def __init__(self, key: str, secret: str, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._key = key
        # The keyed hash is copied for every signature; the secret itself is not kept.
        self._mac = hmac.new(secret.encode(), digestmod=hashlib.sha256)
        self._resource = ""
        self._clock = clock

    def __repr__(self) -> str:
        return "<HmacAuth>"

    def for_resource(self, resource: str) -> HmacAuth:
        """Return credentials that sign the RESOURCE: the token of a GET, empty for everything else."""
        if resource == self._resource:
            return self
        bound = copy.copy(self)
        bound._resource = resource
        return bound

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        date = self._clock().isoformat()
        mac = self._mac.copy()
        mac.update(f"{request.method}\n{self._resource}\n{date}\n".encode())
        request.headers["X-ALTR-DATE"] = date
        request.headers["Authorization"] = f"ALTR {self._key}:{base64.b64encode(mac.digest()).decode()}"
        return request


class BasicAuth(AuthBase):
    """HTTP Basic with UTF-8 credentials (RFC 7617)."""

    def __init__(self, key: str, secret: str) -> None:
        self._header = f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"

    def __repr__(self) -> str:
        return "<BasicAuth>"

    def for_resource(self, resource: str) -> BasicAuth:
        """Return the same credentials: Basic signs nothing."""
        return self

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._header
        return request
