"""Ask the orchestrator what became of a release."""

from __future__ import annotations

from typing import Any

from orchestrator_api import Orchestrator, refusal
from st2common.runners.base_action import Action

FOUND = 200


class ReadRelease(Action):
    """The counts of one release, as the ledger holds them."""

    def run(self, release_id: str) -> tuple[bool, dict[str, Any]]:
        """Answer both counts of first attempts and the outcome; an unknown release fails with the exit code 0."""
        status, answer = Orchestrator(self.config).get(f"/releases/{release_id}")
        if status != FOUND:
            return False, refusal(status, answer)
        names = ("first_attempts", "first_successes", "outcome", "incident_id")
        return True, {name: answer.get(name) for name in names}
