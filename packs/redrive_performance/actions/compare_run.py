"""Ask how a run stands against the nights before it."""

from __future__ import annotations

from typing import Any

from load_api import LoadTests, path_of, refusal, sealed
from st2common.runners.base_action import Action

FOUND = 200


class CompareRun(Action):
    """The service asks the history; what the test is, its documentation says."""

    def run(self, run_id: str) -> tuple[bool, dict[str, Any]]:
        """Answer `slower`, the names of the figures that are worse, `compared` with how many runs, and `why` sealed."""
        status, answer = LoadTests(self.config).get(path_of(run_id) + "/comparison")
        if status != FOUND:
            return False, refusal(status, answer)
        slower = [str(each) for each in answer.get("slower") or ()]
        why = sealed("slower than the nights before: " + ", ".join(slower))
        return True, {"slower": slower, "compared": len(answer.get("compared_with") or ()), "why": why}
