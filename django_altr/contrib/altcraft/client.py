"""A client of the Altcraft API (v1.1): ``POST {base}/api/v1.1/<method>``, JSON both ways.

Errors leave no trace of what was sent: a call's parameters and the API token are held in ``Redacted`` wrappers, and
what requests raises ends where it is caught.
"""

from __future__ import annotations

import logging
import os
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util import Retry

from django_altr.redact import Redacted

from .answers import Answer, encode, parse
from .conf import OPTIONS
from .exceptions import (
    AltcraftConnectionError,
    AltcraftError,
    AltcraftTimeout,
    InternalError,
    InvalidAnswer,
    RequestLimitExceeded,
    error_for,
)

__all__ = ["Client", "new_request_id"]

logger = logging.getLogger("django_altr.altcraft")

PATH = "/api/v1.1/"
#: Methods that change nothing start like this after the last slash; all others get a Request-ID.
READING = ("get", "list", "search", "count", "info")
#: What a proxy before the platform answers when the platform is away.
GATEWAY_STATUSES = frozenset({500, 502, 503, 504})


class BearerAuth(AuthBase):
    """``Authorization: Bearer``, through ``auth=``: a netrc entry would replace a plain header."""

    def __init__(self, token: Redacted[str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request


class Client:
    """One entry of ``settings.ALTCRAFT``. Made for one thread: ``clients[alias]`` gives each its own.

    Every method returns an ``Answer``, or raises the ``AltcraftError`` of the answer's code, within ``budget`` seconds.
    Answers 429 and 500 and lost connections are tried again, with the same Request-ID. ``request_id`` repeats an
    earlier request whose answer was lost; without it each call gets a new one.
    """

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        options = params.get("OPTIONS") or {}
        for name, option in OPTIONS.items():
            setattr(self, f"_{name}", options.get(name, option.default))
        self.alias = alias
        self._base = params["URL"].rstrip("/") + PATH
        self._token: Redacted[str] = Redacted(params["TOKEN"])
        del params
        self._session: requests.Session | None = None

    _connect_timeout: float
    _timeout: float
    _budget: float
    _retries: int
    _backoff_factor: float
    _bearer: bool
    _ca_bundle: str | None

    def __repr__(self) -> str:
        return f"<Client of {self.alias!r}>"

    # Methods of the platform

    def import_profile(
        self, *, db_id: int, data: Mapping[str, Any], matching: str = "email", request_id: object = None, **params: Any
    ) -> Answer:
        """Add or update one profile (``profiles/import``); ``params`` hold the matching value, ``resource_id``, ..."""
        body = self._seal({**params, "db_id": db_id, "matching": matching, "data": data})
        del params, data
        return self._call("profiles/import", body, request_id)

    def import_batch(
        self,
        profiles: Sequence[Mapping[str, Any]],
        *,
        db_id: int,
        matching: str = "email",
        request_id: object = None,
        **params: Any,
    ) -> Answer:
        """Add or update profiles, at most 10,000 (``profiles/import_batch``).

        ``answer["result"]`` has an entry for each, in the order sent: ``error``, ``error_text``, ``profile_id``.
        """
        body = self._seal({**params, "db_id": db_id, "matching": matching, "data": profiles})
        del params, profiles
        return self._call("profiles/import_batch", body, request_id)

    def delete_profile(
        self, *, db_id: int, matching: str = "email", request_id: object = None, **params: Any
    ) -> Answer:
        """Delete a profile (``profiles/delete``); ``params`` hold the matching value."""
        body = self._seal({**params, "db_id": db_id, "matching": matching})
        del params
        return self._call("profiles/delete", body, request_id)

    def get_profile(self, *, db_id: int, matching: str = "email", **params: Any) -> Answer:
        """Return a profile (``profiles/get``); ``params`` hold the matching value."""
        body = self._seal({**params, "db_id": db_id, "matching": matching})
        del params
        return self._call("profiles/get", body)

    def call(self, method: str, *, request_id: object = None, **params: Any) -> Answer:
        """Call any method, for example ``call("segments/list", db_id=1)``."""
        body = self._seal(params)
        del params
        return self._call(method, body, request_id)

    def close(self) -> None:
        """Close the connections; the client can be used again."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    # The exchange

    def _seal(self, params: dict[str, Any]) -> Redacted[bytes | None]:
        token = {} if self._bearer else {"token": self._token.reveal()}
        return encode({**token, **params})

    def _call(self, method: str, body: Redacted[bytes | None], request_id: object = None) -> Answer:
        if body.reveal() is None:
            raise ValueError(f"The parameters of {method} cannot be written as JSON in UTF-8.")
        if not all(part.replace("_", "").isalnum() for part in method.split("/")):
            raise ValueError("The name of a method consists of letters, digits, underscores and slashes.")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if request_id is not None or not method.rpartition("/")[2].startswith(READING):
            headers["Request-ID"] = str(request_id or new_request_id())
        outcome = self._try_repeatedly(method, body, headers)
        if isinstance(outcome, AltcraftError):
            raise outcome
        return outcome

    def _try_repeatedly(self, method: str, body: Redacted[Any], headers: Mapping[str, str]) -> Answer | AltcraftError:
        retry = Retry(total=self._retries, backoff_factor=self._backoff_factor, backoff_max=self._budget)
        end = time.monotonic() + self._budget
        while True:
            outcome, asked = self._try(method, body, headers, end - time.monotonic())
            if not isinstance(outcome, RETRIED):
                return outcome
            try:
                retry = retry.increment("POST", error=HTTPError())
            except MaxRetryError:
                return outcome
            pause = self._pause(retry, asked)
            if time.monotonic() + pause >= end:
                return outcome
            time.sleep(pause)

    def _try(
        self, method: str, body: Redacted[Any], headers: Mapping[str, str], left: float
    ) -> tuple[Answer | AltcraftError, str | None]:
        """Return what came of one try, and its Retry-After header."""
        started = time.monotonic()
        received = self._send(method, body, headers, left)
        outcome: Answer | AltcraftError
        if isinstance(received, AltcraftError):
            outcome, asked = received, None
        else:
            outcome, asked = self._judge(method, received), received.reveal().headers.get("Retry-After")
        name = type(outcome).__name__
        logger.debug("%s %s: %s in %.3f s", method, headers.get("Request-ID", ""), name, time.monotonic() - started)
        return outcome, asked

    def _send(
        self, method: str, body: Redacted[Any], headers: Mapping[str, str], left: float
    ) -> Redacted[requests.Response] | AltcraftError:
        try:
            response = self._open_session().post(
                self._base + method,
                data=body.reveal(),
                headers=dict(headers),
                auth=BearerAuth(self._token) if self._bearer else None,
                timeout=(min(self._connect_timeout, max(left, 0.01)), min(self._timeout, max(left, 0.01))),
                allow_redirects=False,
            )
            return Redacted(response)
        except requests.Timeout:
            return AltcraftTimeout(
                f"Altcraft ({self.alias!r}) did not answer {method} in time. It may have applied the request: repeat "
                f"it with the same Request-ID. If it needs longer, raise the option 'timeout'.",
                method=method,
            )
        except Exception as error:
            # Only the kind: errors of requests hold the request with its body.
            return AltcraftConnectionError(
                f"Altcraft ({self.alias!r}) could not be reached for {method} ({_kind(error)}). Check URL and network. "
                f"The request may have been applied: repeat it with the same Request-ID.",
                method=method,
            )

    def _judge(self, method: str, response: Redacted[requests.Response]) -> Answer | AltcraftError:
        status = response.reveal().status_code
        values = parse(response)
        if values is None:
            if status in GATEWAY_STATUSES or status == 429:
                kind = RequestLimitExceeded if status == 429 else InternalError
                return kind(f"A proxy before Altcraft answered {method} with HTTP {status}.", method=method)
            return InvalidAnswer(
                f"Altcraft ({self.alias!r}) answered {method} with HTTP {status} and no JSON object with an error "
                f"code. Check URL of settings.ALTCRAFT: something else may answer there.",
                method=method,
            )
        code = values.reveal()["error"] or (status if status >= 400 else 0)
        return error_for(code, method) if code else Answer(values, response.reveal().headers)

    def _pause(self, retry: Retry, asked: str | None) -> float:
        most = retry.get_backoff_time() or self._backoff_factor
        pause = random.uniform(most / 2, most)  # noqa: S311
        try:
            return max(pause, retry.parse_retry_after(asked)) if asked else pause
        except (InvalidHeader, ValueError, OverflowError):
            return pause

    def _open_session(self) -> requests.Session:
        if self._session is None:
            self._session = session = requests.Session()
            # The environment's proxies and CAs count, its netrc does not: it would replace the API token.
            session.trust_env = False
            session.proxies = dict(get_environ_proxies(self._base))
            session.verify = self._ca_bundle or next(filter(None, map(os.environ.get, CA_VARIABLES)), True)
        return self._session


#: Errors after which the same request is sent again.
RETRIED = (RequestLimitExceeded, InternalError, AltcraftConnectionError, AltcraftTimeout)
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def new_request_id() -> str:
    return str(uuid.uuid4())


def _kind(error: BaseException) -> str:
    return type(error).__name__
