"""The operator: looks through the incidents, and now and then has one held failure tried again."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import uuid4

from locust import FastHttpUser, events, task

if TYPE_CHECKING:
    from locust.env import Environment

NOT_CLOSED: Final = "/api/v1/incidents?state=open&state=planned&state=waiting&limit=10"
TIMEOUT_SECONDS: Final = 10.0
ACCEPTED: Final = 202
CONFLICT: Final = 409


class Operator(FastHttpUser):
    """One person. A 409 is an answer that an operator has to expect: the failure was moved in the meantime."""

    fixed_count = 1
    connection_timeout = TIMEOUT_SECONDS
    network_timeout = TIMEOUT_SECONDS
    api: ClassVar[str] = ""

    def on_start(self) -> None:
        """Take the token, where there is one."""
        token = os.environ.get("REDRIVE_API_TOKEN")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def wait_time(self) -> float:
        """Give the seconds to wait before the next look."""
        return random.uniform(1.0, 3.0)

    @task(2)
    def look(self) -> None:
        """Look at what is new."""
        self._read("/api/v1/incidents?limit=20", "GET /api/v1/incidents")

    @task(1)
    def retry(self) -> None:
        """Have the first held failure of an incident tried again."""
        found = self._read(NOT_CLOSED, "GET /api/v1/incidents (not closed)").get("incidents", [])
        for incident in found[:1]:
            path = f"/api/v1/incidents/{incident['id']}/failures?limit=20"
            failures = self._read(path, "GET /api/v1/incidents/{id}/failures").get("failures", [])
            held = next((each for each in failures if each["state"] == "held"), None)
            if held:
                self._retry(held["id"])

    def _retry(self, failure_id: str) -> None:
        """Ask for it, and ask again as one does who saw no answer: the same key has to give the same command."""
        key = str(uuid4())
        first = self._ask_retry(failure_id, key)
        if first is not None and self._ask_retry(failure_id, key, first) is not None:
            self._read(first, "GET /api/v1/recovery/retries/{id}")

    def _ask_retry(self, failure_id: str, key: str, expected: str | None = None) -> str | None:
        body = {"failure_id": failure_id, "reason": "the load test's operator"}
        headers = {**self.headers, "Idempotency-Key": key}
        name = "POST /recovery/retry" + (" (again)" if expected else "")
        sent = self.client.post(
            self.api + "/recovery/retry", json=body, headers=headers, name=name, catch_response=True
        )
        with sent as answer:
            if answer.status_code not in (ACCEPTED, CONFLICT):
                answer.failure(f"expected {ACCEPTED} or {CONFLICT}, got {answer.status_code}")
                return None
            answer.success()
            location = str(answer.headers["Location"]) if answer.status_code == ACCEPTED else None
            if expected and location != expected:
                answer.failure(f"expected the command {expected} again, got {location}")
            return location

    def _read(self, path: str, name: str) -> dict[str, Any]:
        with self.client.get(self.api + path, headers=self.headers, name=name, catch_response=True) as answer:
            if answer.status_code != 200:  # noqa: PLR2004 - HTTP's own number
                answer.failure(f"expected 200, got {answer.status_code}")
                return {}
            content: dict[str, Any] = answer.json()
            return content


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _point_at_the_api(environment: Environment, **_: object) -> None:
    """Send the operator to the orchestrator; `--host` is the web user's."""
    if environment.parsed_options:
        Operator.api = environment.parsed_options.api_url
