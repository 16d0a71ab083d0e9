"""Ask how a run stands against the nights before it."""

from __future__ import annotations

from typing import Any

from load_api import LoadTests, path_of, refusal, sealed
from st2common.runners.base_action import Action

FOUND = 200
NO_REPORT = 409


class CompareRun(Action):
    """The service asks the history; what the test is, its documentation says."""

    def run(self, run_id: str) -> tuple[bool, dict[str, Any]]:
        """Answer `slower`, the names of the figures that are worse, `compared` with how many runs, and `why` sealed.

        `why_not`, sealed, says why nothing was tested: no report, or too few runs before it; else it is empty.
        """
        status, answer = LoadTests(self.config).get(path_of(run_id) + "/comparison")
        if status == NO_REPORT:
            answer = {"why_not": answer.get("detail") or "the run has no report"}
        elif status != FOUND:
            return False, refusal(status, answer)
        slower = [str(each) for each in answer.get("slower") or ()]
        why = sealed("slower than the nights before: " + ", ".join(slower))
        why_not = sealed(str(answer["why_not"])) if answer.get("why_not") else ""
        compared = len(answer.get("compared_with") or ())
        return True, {"slower": slower, "compared": compared, "why": why, "why_not": why_not}
