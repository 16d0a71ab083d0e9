"""Have the service play a scenario."""

from __future__ import annotations

from typing import Any

from load_api import LoadTests, refusal
from st2common.runners.base_action import Action

STARTED = (200, 202)
GOING = 409


class StartRun(Action):
    """One run for each key: asked again, the service answers with the run that it has."""

    def run(
        self, scenario: str, idempotency_key: str, timeout_seconds: float, engines: str = "", seed: int | None = None
    ) -> tuple[bool, dict[str, Any]]:
        """Answer `run_id` and whether it was `started`: where another run goes it was not, and the id is that one's."""
        body = {"scenario": scenario, "idempotency_key": idempotency_key, "timeout_seconds": timeout_seconds}
        if engines:
            body["engines"] = engines
        if seed is not None:
            body["seed"] = seed
        status, answer = LoadTests(self.config).call("POST", "/runs", body)
        if status == GOING and answer.get("going"):
            return True, {"run_id": answer["going"], "started": False}
        if status not in STARTED:
            return False, refusal(status, answer)
        return True, {"run_id": answer["id"], "started": True}
