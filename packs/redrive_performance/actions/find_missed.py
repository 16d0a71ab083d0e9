"""Ask which planned nights had no run, and which runs were no pass."""

from __future__ import annotations

from typing import Any

from load_api import LoadTests, refusal, told_of
from st2common.runners.base_action import Action

FOUND = 200


class FindMissed(Action):
    """Ask the service, which knows when each run began."""

    def run(
        self, scenario: str, at: str, timezone: str, grace_minutes: float, days: int
    ) -> tuple[bool, dict[str, Any]]:
        """Answer `missed`, the planned times without a run, and `no_pass`, runs with their `id` and a sealed `message`.

        Both oldest first; a refusal fails with the exit code 0.
        """
        asked = {"scenario": scenario, "at": at, "timezone": timezone, "grace_minutes": grace_minutes, "days": days}
        status, answer = LoadTests(self.config).get("/runs/missed", asked)
        if status != FOUND:
            return False, refusal(status, answer)
        no_pass = [{"id": run["id"], "message": told_of(run)} for run in answer.get("no_pass") or ()]
        return True, {"missed": answer["missed"], "no_pass": no_pass}
