"""Propose a recovery: a dry run first, whose outcome is shown, then the proposal, which waits for consent."""

from __future__ import annotations

import os
from typing import Any

from chat import plain
from orchestrator_api import Orchestrator, opened, refusal
from st2common.runners.base_action import Action
from stackstorm_api import start

TOLD = 200
ACCEPTED = 202
MINUTE = 60
SELECTING = ("incident_id", "query", "plan", "route", "limit", "edits")
ASKING = "redrive.bulk_recovery"


class Propose(Action):
    """Safe to repeat: the key is the same each time, and a proposal that is there already is told again."""

    def run(self, reason: str, timeout_minutes: int, otherwise: str, **given: Any) -> tuple[bool, dict[str, Any]]:
        """Answer recovery_id, what the dry run counted, and `text`, which says how to answer.

        With `ask` the workflow that asks a person is started for it. A refusal fails with the exit code 0 and is not
        worth another try; an exception is.
        """
        key = given.get("idempotency_key") or os.environ.get("ST2_ACTION_EXECUTION_ID", "")
        orchestrator = Orchestrator(self.config, given.get("on_behalf_of") or "", key)
        body = {name: given[name] for name in SELECTING if given.get(name)}
        body["reason"] = opened(reason)
        status, shown = orchestrator.post("/recovery/retry", dict(body, dry_run=True))
        if status != TOLD:
            return _refused(status, shown)
        body["approval"] = {"timeout_seconds": timeout_minutes * MINUTE, "otherwise": otherwise}
        status, proposed = orchestrator.post("/recovery/retry", body)
        if status != ACCEPTED:
            return _refused(status, proposed)
        told = _told(proposed, shown, timeout_minutes, otherwise)
        if given.get("ask"):
            asked = {"recovery_id": told["recovery_id"], "timeout_minutes": timeout_minutes, "otherwise": otherwise}
            told["asking_execution_id"] = start(ASKING, dict(asked, failures=told["failures"]))
        return True, told


def _refused(status: int, answer: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    problem = refusal(status, answer)
    return False, dict(problem, text="refused: " + plain(problem["error"]))


def _told(proposed: dict[str, Any], shown: dict[str, Any], minutes: int, otherwise: str) -> dict[str, Any]:
    """Say it with numbers and ids alone: a workflow may publish these, and nothing in them can be evaluated."""
    recovery, count = str(proposed["id"]), int(shown.get("eligible") or proposed.get("failures") or 0)
    left, seconds = int(shown.get("not_eligible") or 0), shown.get("seconds")
    lasts = f", about {int(seconds)} s" if isinstance(seconds, (int, float)) else ""
    text = (
        f"Shall {count} failures go again ({left} not eligible{lasts})? Answer: redrive approve {recovery}, or "
        f"redrive reject {recovery}. Without an answer within {minutes} minutes: {otherwise}."
    )
    return {"recovery_id": recovery, "failures": count, "not_eligible": left, "seconds": seconds, "text": text}
