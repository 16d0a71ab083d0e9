"""The Redrive orchestrator's HTTP API, as far as this pack needs it."""

from __future__ import annotations

from typing import Any

import requests

TOO_MANY = 429
CLIENT_ERROR = 400
SERVER_ERROR = 500


class Unavailable(Exception):
    """The orchestrator did not answer, or not as it does when it is well: worth another try."""


class Orchestrator:
    """One orchestrator; every call has a time-out, and the token goes nowhere but into the header."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Take the pack's configuration: orchestrator_url, timeout_seconds and, where it is set, api_token."""
        self._url = config.get("orchestrator_url", "http://127.0.0.1:8400").rstrip("/")
        self._timeout = float(config.get("timeout_seconds", 10))
        token = config.get("api_token")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body); raises Unavailable."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body); raises Unavailable."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        url = f"{self._url}/api/v1{path}"
        try:
            response = requests.request(
                method, url, json=body, headers=self._headers, timeout=self._timeout, allow_redirects=False
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
