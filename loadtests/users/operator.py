"""The operator: looks through the incidents, foresees, and now and then has one held failure tried again."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import uuid4

from locust import events

from loadtests.users.arriving import Arriving, expecting

if TYPE_CHECKING:
    from locust.env import Environment

INCIDENTS: Final = "/api/v1/incidents"
NOT_CLOSED: Final = f"{INCIDENTS}?state=open&state=planned&state=waiting&limit=10"
RETRY: Final = "/recovery/retry"
OK: Final = 200
ACCEPTED: Final = 202
CONFLICT: Final = 409
# What an operator looks at without doing anything, the share of his looks.
LOOKS: Final = 2 / 3
# Nobody who looks at it asks for these again as they are.
HOPELESS: Final = frozenset({"permanent", "poison"})
# Whoever asks in the first moments of an outage, before anybody can know of it, asks the run to fail again.
PATIENCE: Final = timedelta(seconds=5)


class Operator(Arriving):
    """One person. A 409 is an answer that an operator has to expect: the failure was moved in the meantime."""

    fixed_count = 1
    api: ClassVar[str] = ""
    looks: ClassVar[float] = 0.5

    def on_start(self) -> None:
        """Take the token, where there is one."""
        super().on_start()
        token = os.environ.get("REDRIVE_API_TOKEN")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def rate(self) -> float:
        """Give the looks a second."""
        return self.looks

    def arrive(self, intended: float) -> None:
        """Look at what is new, or have the first held failure of an incident tried again."""
        if self.dice.random() < LOOKS:
            self._read(f"{INCIDENTS}?limit=20", f"GET {INCIDENTS}", intended)
            return
        found = self._read(NOT_CLOSED, f"GET {INCIDENTS} (not closed)", intended).get("incidents", [])
        for incident in found[:1]:
            path = f"{INCIDENTS}/{incident['id']}/failures?limit=20"
            failures = self._read(path, f"GET {INCIDENTS}/{{id}}/failures").get("failures", [])
            held = next((each for each in failures if _worth_it(each)), None)
            if held:
                self._foresee(held["id"])
                self._retry(held["id"])

    def _foresee(self, failure_id: str) -> None:
        """Ask what would come of it."""
        body = {"failure_id": failure_id, "reason": "the load test's operator", "dry_run": True}
        options = {"json": body, "headers": self._headers}
        self.ask("POST", self.api + RETRY, f"POST {RETRY} (dry run)", monotonic(), expecting(OK), **options)

    def _retry(self, failure_id: str) -> None:
        """Ask for it, and ask again as one does who saw no answer: the same key has to give the same command."""
        key = str(uuid4())
        first = self._ask_retry(failure_id, key)
        if first is not None and self._ask_retry(failure_id, key, first) is not None:
            self._read(first, "GET /api/v1/recovery/retries/{id}")

    def _ask_retry(self, failure_id: str, key: str, expected: str | None = None) -> str | None:
        body = {"failure_id": failure_id, "reason": "the load test's operator"}
        name = f"POST {RETRY}" + (" (again)" if expected else "")
        asked = {"json": body, "headers": {**self._headers, "Idempotency-Key": key}}

        def fault(answer: Any) -> str | None:  # noqa: ANN401 - locust's own answer
            wrong = expecting(ACCEPTED, CONFLICT)(answer)
            if not wrong and expected and _location(answer) != expected:
                wrong = f"expected the command {expected} again, got {_location(answer)}"
            return wrong

        answer = self.ask("POST", self.api + RETRY, name, monotonic(), fault, **asked)
        return None if answer is None else _location(answer)

    def _read(self, path: str, name: str, intended: float | None = None) -> dict[str, Any]:
        at = monotonic() if intended is None else intended
        answer = self.ask("GET", self.api + path, name, at, expecting(OK), headers=self._headers)
        content: dict[str, Any] = {} if answer is None else answer.json()
        return content


def _worth_it(failure: dict[str, Any]) -> bool:
    if failure["state"] != "held" or failure.get("kind") in HOPELESS:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(failure["occurred_at"]) >= PATIENCE


def _location(answer: Any) -> str | None:  # noqa: ANN401 - locust's own answer
    return str(answer.headers["Location"]) if answer.status_code == ACCEPTED else None


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _point_at_the_api(environment: Environment, **_: object) -> None:
    """Send the operator to the orchestrator; `--host` is the web user's."""
    options = environment.parsed_options
    if options:
        Operator.api, Operator.looks = options.api_url, options.operator_rate
