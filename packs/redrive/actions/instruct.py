"""Give the orchestrator the plan for an incident."""

from __future__ import annotations

from typing import Any

from orchestrator_api import Orchestrator, opened, refusal
from st2common.runners.base_action import Action

ACCEPTED = 202
SUPERSEDED = 409


class Instruct(Action):
    """One instruction, safe to repeat: it names its revision and its execution."""

    def run(self, incident_id: str, **plan: Any) -> tuple[bool, dict[str, Any]]:
        """Send plan, revision, execution_id, reason, route, pace and gate; answer the incident's state.

        A newer revision is no error: the answer says `superseded`. A refusal fails with the exit code 0
        and is not worth another try; an exception is.
        """
        status, answer = Orchestrator(self.config).post(f"/incidents/{incident_id}/plan", plan_body(plan))
        if status not in (ACCEPTED, SUPERSEDED):
            return False, refusal(status, answer)
        self.logger.info("plan %s for incident %s: HTTP %s", plan["plan"], incident_id, status)
        return True, {
            "state": answer.get("state"),
            "revision": answer.get("revision"),
            "superseded": status == SUPERSEDED,
        }


def plan_body(plan: dict[str, Any]) -> dict[str, Any]:
    """Choose the members of the request's body; what the workflow left out is null."""
    names = ("plan", "revision", "execution_id", "reason", "route", "pace", "gate")
    body = {name: plan.get(name) for name in names}
    return dict(body, reason=opened(body["reason"] or ""))
