"""Give a plan to every incident that waits and may be redriven: for a timer that decides when."""

from __future__ import annotations

from typing import Any

from orchestrator_api import Orchestrator, opened, refusal
from st2common.runners.base_action import Action

FOUND = 200
ACCEPTED = 202
SUPERSEDED = 409
WAITING = "/incidents?state=open&state=waiting&limit=1000"


class PlanWaiting(Action):
    """One instruction for each incident, safe to repeat: it names the incident's revision and the execution."""

    def run(self, kinds: list[str], execution_id: str, reason: str, in_flight: int) -> tuple[bool, dict[str, Any]]:
        """Plan `retry`, at once, for the incidents of some kinds whose tasks may run twice; answer what became of each.

        One that another decision went before is left alone. A refusal of one fails with the exit code 0, after all
        others had their turn; an exception is worth another try.
        """
        orchestrator = Orchestrator(self.config)
        status, answer = orchestrator.get(WAITING)
        if status != FOUND:
            return False, refusal(status, answer)
        plan = {
            "plan": "retry",
            "execution_id": execution_id,
            "reason": opened(reason),
            "pace": {"in_flight": in_flight},
            "gate": {"first_after_seconds": 0},
        }
        told: dict[str, list[Any]] = {"planned": [], "superseded": [], "refused": []}
        for incident in answer["incidents"]:
            if incident["kind"] in kinds and incident["idempotent"]:
                path = "/incidents/{}/plan".format(incident["id"])
                status, said = orchestrator.post(path, dict(plan, revision=incident["revision"]))
                outcome = {ACCEPTED: "planned", SUPERSEDED: "superseded"}.get(status, "refused")
                told[outcome].append(incident["id"] if outcome != "refused" else refusal(status, said))
        return not told["refused"], told
