"""StackStorm's own API, as an action may use it: with the token of its execution, which is good while it runs."""

from __future__ import annotations

import os
from typing import Any

import requests

SECONDS = 10


def get(path: str, asked: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    """Answer the JSON of what a path names; raises RuntimeError saying what came instead."""
    return _called("GET", path, asked=asked)


def start(action: str, parameters: dict[str, Any]) -> str:
    """Ask for an execution of an action; gives its id. Raises RuntimeError."""
    return str(_called("POST", "/executions", {"action": action, "parameters": parameters})["id"])


def _called(  # noqa: ANN202 - JSON
    method: str, path: str, body: dict[str, Any] | None = None, asked: dict[str, str] | None = None
):
    url = os.environ["ST2_ACTION_API_URL"].rstrip("/")
    url = (url if url.endswith("/v1") else url + "/v1") + path
    headers = {"X-Auth-Token": os.environ.get("ST2_ACTION_AUTH_TOKEN", "")}
    try:
        answer = requests.request(
            method, url, json=body, params=asked, headers=headers, timeout=SECONDS, allow_redirects=False
        )
        answer.raise_for_status()
        return answer.json()
    except (requests.RequestException, ValueError) as error:
        raise RuntimeError(f"expected StackStorm to answer {method} {path}, got {type(error).__name__}") from None
