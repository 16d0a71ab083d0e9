"""Have what a run found told to the orchestrator, and by it to warehouse and RudderStack."""

from __future__ import annotations

from typing import Any

from load_api import LoadTests, path_of, refusal
from st2common.runners.base_action import Action

FOUND = 200


class TellRun(Action):
    """The same event each time: told twice it is stored once."""

    def run(self, run_id: str) -> tuple[bool, dict[str, Any]]:
        """Answer the event's id; an orchestrator that is away is an exception, and worth another try."""
        status, answer = LoadTests(self.config).call("POST", path_of(run_id) + "/tell")
        if status != FOUND:
            return False, refusal(status, answer)
        return True, {"event_id": answer.get("event_id")}
