"""Calls of the StackStorm API: JSON in and out, over one connection that stays open."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

SECONDS: Final = 30.0
WENT_WRONG: Final = 400


class Refused(AssertionError):
    """StackStorm refused a request; the text is its own `faultstring`."""

    def __init__(self, method: str, path: str, status: int, faultstring: str) -> None:
        super().__init__(f"{method} {path} answered {status}: {faultstring}")
        self.status = status
        self.faultstring = faultstring


class Calls:
    """The API at one address. One thread at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)

    def get(self, path: str, **query: Any) -> Any:
        """Read; `path` begins after the version."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def post(self, path: str, body: object, **headers: str) -> Any:
        """Make or ask for something."""
        return self._call("POST", path, body, headers)

    def put(self, path: str, body: object) -> Any:
        """Set something."""
        return self._call("PUT", path, body)

    def delete(self, path: str, **query: Any) -> Any:
        """Remove or cancel something."""
        return self._call("DELETE", f"{path}?{urlencode(query)}" if query else path, None)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _call(self, method: str, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        raw = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            status, text = self._answer(method, f"/v1{path}", raw, sent)
        except (HTTPException, ConnectionError):
            # The server closes a connection that was silent for long; a new one is made at the next call.
            self._connection.close()
            if method != "GET":
                raise
            status, text = self._answer(method, f"/v1{path}", raw, sent)
        answer: Any = json.loads(text) if text else {}
        if status >= WENT_WRONG:
            raise Refused(method, path, status, str(answer.get("faultstring", text)))
        return answer

    def _answer(self, method: str, path: str, raw: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, raw, headers)
        response = self._connection.getresponse()
        return response.status, response.read()
