"""The gateway of the forwarding benchmark, as its bench sees it; and what it can take at most."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import requests

from loadtests.apps.ways import CALL

if TYPE_CHECKING:
    from loadtests.processes import Processes

WRITE_KEY: Final = "bench"
ASK_SECONDS: Final = 30.0
# What is posted to it for its ceiling: as large as a relay's batch.
POST_EVENTS: Final = 500
POSTS: Final = 60


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway process."""

    url: str

    @classmethod
    def started(cls, processes: Processes) -> Gateway:
        """Start it; raises ProcessFailed."""
        return cls(processes.serve("gateway", ["-m", "loadtests.inside.data_plane"])["url"])

    def stats(self) -> dict[str, Any]:
        """Give its counts."""
        return self._get("/stats")

    def ids(self) -> dict[str, int]:
        """Give each messageId with how often it came."""
        return self._get("/ids")

    def forget(self) -> None:
        """Have it start afresh."""
        requests.post(f"{self.url}/forget", timeout=ASK_SECONDS).raise_for_status()

    def ceiling(self) -> float:
        """Give the events a second that it takes where the sender has nothing else to do: one packed batch, again."""
        calls = [_message(number) for number in range(POST_EVENTS)]
        body = gzip.compress(json.dumps({"batch": calls}).encode())
        with requests.Session() as session:
            session.auth = (WRITE_KEY, "")
            began = time.monotonic()
            for _ in range(POSTS):
                packed = {"Content-Encoding": "gzip"}
                session.post(f"{self.url}/v1/batch", body, headers=packed, timeout=ASK_SECONDS).raise_for_status()
            return POSTS * POST_EVENTS / (time.monotonic() - began)

    def _get(self, path: str) -> dict[str, Any]:
        answer = requests.get(self.url + path, timeout=ASK_SECONDS)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content


def _message(number: int) -> dict[str, Any]:
    context = {"library": {"name": "analytics-python", "version": "2.1.9"}}
    named = {"type": "track", "event": "LLM Call", "messageId": str(uuid4()), "anonymousId": f"w-{number}"}
    return named | {"context": context, "properties": dict(CALL), "timestamp": "2026-01-01T00:00:00+00:00"}
