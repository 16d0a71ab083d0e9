"""Ask which planned nights had no run."""

from __future__ import annotations

from typing import Any

from load_api import LoadTests, refusal
from st2common.runners.base_action import Action

FOUND = 200


class FindMissed(Action):
    """Ask the service, which knows when each run began."""

    def run(
        self, scenario: str, at: str, timezone: str, grace_minutes: float, days: int
    ) -> tuple[bool, dict[str, Any]]:
        """Answer `missed`, the planned times without a run, oldest first; a refusal fails with the exit code 0."""
        asked = {"scenario": scenario, "at": at, "timezone": timezone, "grace_minutes": grace_minutes, "days": days}
        status, answer = LoadTests(self.config).get("/runs/missed", asked)
        if status != FOUND:
            return False, refusal(status, answer)
        return True, {"missed": answer["missed"]}
