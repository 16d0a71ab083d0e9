"""Take the answer of an inquiry to the orchestrator, which decides by whichever answer came first."""

from __future__ import annotations

from typing import Any

from orchestrator_api import Orchestrator, refusal
from st2common.runners.base_action import Action
from stackstorm_api import get

DONE = 200
OVER = 409
ANSWERED = "succeeded"
# Characters that the orchestrator takes.
LONGEST = 2000
NO_REASON = "answered in StackStorm, without a reason"


class SettleApproval(Action):
    """Safe to repeat: a recovery that is decided already stays as it is."""

    def run(self, recovery_id: str, execution_id: str) -> tuple[bool, dict[str, Any]]:
        """Read what was answered to the inquiry of a workflow, pass it on, answer the recovery's state.

        The words of the answer go from StackStorm's API to the orchestrator's, and through no expression on the way.
        An inquiry that timed out is passed on to nobody: the orchestrator has the same time-out. `late` is true where
        somebody had decided before. A refusal fails with the exit code 0; an exception is worth another try.
        """
        path = f"/recovery/retries/{recovery_id}"
        response, by = _answer(execution_id)
        orchestrator = Orchestrator(self.config, by)
        late = False
        if response is not None:
            verb = "approve" if response.get("approve") is True else "reject"
            status, answer = orchestrator.post(f"{path}/{verb}", {"reason": _reason(response)})
            late = status == OVER
            if status not in (DONE, OVER):
                return False, refusal(status, answer)
        status, answer = orchestrator.get(path)
        if status != DONE:
            return False, refusal(status, answer)
        return True, {"state": answer.get("state"), "late": late, "answered": response is not None}


def _reason(response: dict[str, Any]) -> str:
    """Give the words of an answer as the orchestrator takes them: an answer counts, however much was typed."""
    return str(response.get("reason") or "").replace("\x00", "")[:LONGEST].strip() or NO_REASON


def _answer(execution_id: str) -> tuple[Any, str]:
    """Give the newest inquiry's response, None where nobody gave one, and who did."""
    found = get("/executions", {"parent": execution_id, "action": "core.ask", "limit": "1", "sort_desc": "true"})
    if not found or found[0].get("status") != ANSWERED:
        return None, ""
    inquiry = get("/executions/{}".format(found[0]["id"]))
    workflow = get(f"/executions/{execution_id}")
    by = workflow.get("context", {}).get("resumed_by") or ""
    return inquiry["result"].get("response") or {}, str(by)
