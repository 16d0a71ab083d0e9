"""The Redrive orchestrator's HTTP API, as far as this pack needs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import requests

TOO_MANY = 429
CLIENT_ERROR = 400
SERVER_ERROR = 500
# Before a text in percent-encoding: StackStorm evaluates what a workflow is given, and finds nothing to evaluate in it.
SEALED = "sealed:"
LONGEST_NAME = 100


class Unavailable(Exception):
    """The orchestrator did not answer, or not as it does when it is well: worth another try."""


class Orchestrator:
    """One orchestrator; every call has a time-out, and the token goes nowhere but into the header."""

    def __init__(self, config: dict[str, Any], behalf_of: str = "", key: str = "") -> None:
        """Take the pack's configuration: orchestrator_url, timeout_seconds and, where it is set, api_token.

        `behalf_of` is the person who asked for the call; `key` lets a call that is repeated be done once.
        """
        self._url = config.get("orchestrator_url", "http://127.0.0.1:8400").rstrip("/")
        self._timeout = float(config.get("timeout_seconds", 10))
        token = config.get("api_token")
        self._headers: dict[str, str | bytes] = {"Authorization": f"Bearer {token}"} if token else {}
        if behalf_of:
            # UTF-8, as the orchestrator reads it: text would be sent as Latin-1, or not at all.
            self._headers["Redrive-On-Behalf-Of"] = printable(behalf_of).encode()
        if key:
            self._headers["Idempotency-Key"] = key

    def get(self, path: str, asked: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body) to a question with these parameters; raises Unavailable."""
        return self.call("GET", path, asked=asked)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body); raises Unavailable."""
        return self.call("POST", path, body)

    def hand_over(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body) to one CloudEvent, known by its source and id; raises Unavailable."""
        return self.call("POST", "/events", event, kind="application/cloudevents+json")

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        asked: dict[str, Any] | None = None,
        kind: str = "application/json",
    ) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body) to a call with this body of this type, or these parameters.

        Raises Unavailable.
        """
        headers = dict(self._headers, **{"Content-Type": kind}) if body is not None else self._headers
        url = f"{self._url}/api/v1{path}"
        try:
            response = requests.request(
                method,
                url,
                json=body,
                params=asked,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The text of a requests error can name a proxy with its password: its type says enough.
            raise Unavailable(f"expected an answer from {url}, got {type(error).__name__}") from None
        if response.status_code >= SERVER_ERROR or response.status_code == TOO_MANY:
            raise Unavailable(f"expected {url} to take the call, got HTTP {response.status_code}")
        return response.status_code, _json(response, url)


def refusal(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """Say why the orchestrator refused: the problem's title and detail, or the status alone."""
    parts = [str(body[key]) for key in ("title", "detail") if body.get(key)]
    return {"http_status": status, "error": ": ".join(parts) or f"HTTP {status}"}


def opened(text: str) -> str:
    """Give a text that came through a workflow sealed as it was; any other is given as it is."""
    return unquote(text[len(SEALED) :]) if text.startswith(SEALED) else text


def printable(name: str) -> str:
    """Give a name as the orchestrator takes it: characters that are printed, at most 100."""
    return "".join(each if each.isprintable() else "?" for each in name)[:LONGEST_NAME].strip()


def _json(response: requests.Response, url: str) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if response.status_code >= CLIENT_ERROR:
        return {}
    raise Unavailable(f"expected a JSON object from {url}, got something else; is this the orchestrator?")
