"""Asks an embedded StackStorm over HTTP, and waits for what comes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from orchestrator.stackstorm.embedded.orquesta import statuses

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 20.0
SECONDS = 10


def until(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:  # noqa: ANN401 whatever the condition gives
    """Wait for a condition to give something true, and give it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("expected the condition to hold in time, it did not")


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a pack's files; gives its folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@dataclass(frozen=True)
class Asking:
    """The API at a URL that ends in /v1."""

    url: str

    def call(self, method: str, path: str, body: object = None) -> requests.Response:
        """Send one request."""
        return requests.request(method, f"{self.url}{path}", json=body, timeout=SECONDS)

    def get(self, path: str) -> Any:  # noqa: ANN401 any JSON
        """Read something that is there."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, action: str, **parameters: object) -> str:
        """Ask for an execution; gives its id."""
        answer = self.call("POST", "/executions", {"action": action, "parameters": parameters})
        assert answer.status_code == 201, answer.text
        id_: str = answer.json()["id"]
        return id_

    def show(self, id_: str) -> dict[str, Any]:
        """Show an execution."""
        document: dict[str, Any] = self.get(f"/executions/{id_}")
        return document

    def status(self, id_: str) -> str:
        """Give an execution's status."""
        status: str = self.show(id_)["status"]
        return status

    def reached(self, id_: str, *among: str) -> dict[str, Any]:
        """Show an execution once it has one of these statuses, by default any that is final."""
        wanted = among or tuple(statuses.COMPLETED)
        document: dict[str, Any] = until(lambda: (shown := self.show(id_))["status"] in wanted and shown)
        return document

    def children(self, id_: str, count: int = 1) -> list[dict[str, Any]]:
        """Give an execution's children once there are at least so many."""
        below: list[dict[str, Any]] = until(
            lambda: len(found := self.get(f"/executions/{id_}/children?depth=1")) >= count and found
        )
        return below

    def log(self, id_: str) -> list[str]:
        """Give the statuses that an execution went through."""
        return [entry["status"] for entry in self.show(id_)["log"]]
