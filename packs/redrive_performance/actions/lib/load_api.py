"""The service of load tests, as far as this pack needs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

TOO_MANY = 429
CLIENT_ERROR = 400
SERVER_ERROR = 500
# Before a text in percent-encoding: StackStorm evaluates what a workflow is given, and finds nothing to evaluate in it.
SEALED = "sealed:"


class Unavailable(Exception):
    """The service did not answer, or not as it does when it is well: worth another try."""


class LoadTests:
    """One service; every call has a time-out, and the token goes nowhere but into the header."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Take the pack's configuration: service_url, timeout_seconds and, where it is set, service_token."""
        self._url = config.get("service_url", "http://127.0.0.1:8420").rstrip("/")
        self._timeout = float(config.get("timeout_seconds", 30))
        token = config.get("service_token")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, asked: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body) to a question with these parameters; raises Unavailable."""
        return self.call("GET", path, asked=asked)

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, asked: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Answer (HTTP status, JSON body) to a call with this body or these parameters; raises Unavailable."""
        url = self._url + path
        try:
            response = requests.request(
                method,
                url,
                json=body,
                params=asked,
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The text of a requests error can name a proxy with its password: its type says enough.
            raise Unavailable(f"expected an answer from {url}, got {type(error).__name__}") from None
        if response.status_code >= SERVER_ERROR or response.status_code == TOO_MANY:
            raise Unavailable(f"expected {url} to take the call, got HTTP {response.status_code}: {_detail(response)}")
        return response.status_code, _json(response, url)


def path_of(run_id: str) -> str:
    """Give where a run is, whatever its id holds."""
    return "/runs/" + quote(run_id, safe="")


def refusal(status: int, body: dict[str, Any]) -> dict[str, Any]:
    """Say why the service refused: the problem's title and detail, or the status alone."""
    parts = [str(body[key]) for key in ("title", "detail") if body.get(key)]
    return {"http_status": status, "error": ": ".join(parts) or f"HTTP {status}"}


def sealed(text: str) -> str:
    """Give a text as it may go through a workflow; the actions of the pack redrive open it."""
    return SEALED + quote(text, safe="")


def told_of(run: dict[str, Any]) -> str:
    """Say what became of a run, the same words whoever tells it, sealed."""
    return sealed(f"{run['verdict']}: {run['why']}" if run.get("why") else str(run["verdict"]))


def _detail(response: requests.Response) -> str:
    try:
        return str(response.json().get("detail", ""))
    except (ValueError, AttributeError):
        return ""


def _json(response: requests.Response, url: str) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if response.status_code >= CLIENT_ERROR:
        return {}
    raise Unavailable(f"expected a JSON object from {url}, got something else; is this the service of load tests?")
