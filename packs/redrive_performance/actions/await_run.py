"""Wait for the end of a run, and collect what it found."""

from __future__ import annotations

import time
from typing import Any

from load_api import LoadTests, Unavailable, path_of, refusal, told_of
from st2common.runners.base_action import Action

FOUND = 200
# Beyond the run's own time-out: it has to stop a dozen processes.
MORE_SECONDS = 600


class AwaitRun(Action):
    """Look now and then; a service that is away for a while is asked on."""

    def run(self, run_id: str, poll_seconds: float, away_seconds: float) -> tuple[bool, dict[str, Any]]:
        """Answer `outcome` (passed, missed, not_measured), `why` as a sealed text, and where the reports are.

        Raises Unavailable where the service stays away, or the run has no end long after its time.
        """
        service, answered = LoadTests(self.config), time.monotonic()
        while True:
            try:
                status, run = service.get(path_of(run_id))
            except Unavailable:
                if time.monotonic() - answered > away_seconds:
                    raise
                time.sleep(poll_seconds)
                continue
            if status != FOUND:
                return False, refusal(status, run)
            if run["state"] != "running":
                return True, _collected(run)
            if (run.get("seconds") or 0) > run["timeout_seconds"] + MORE_SECONDS:
                raise Unavailable(f"expected the run {run_id} to have ended, got one that goes after its time-out")
            answered = time.monotonic()
            time.sleep(poll_seconds)


def _collected(run: dict[str, Any]) -> dict[str, Any]:
    """Tell what may go through a workflow: words of ours and ids; what a report says goes sealed."""
    names = ("state", "exit_code", "started_at", "ended_at", "seconds", "links")
    return dict(
        {name: run.get(name) for name in names},
        outcome=run["verdict"],
        why=told_of(run),
        gates=[str(gate.get("figure")) for gate in run.get("gates") or ()],
    )
