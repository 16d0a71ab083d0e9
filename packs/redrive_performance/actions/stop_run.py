"""Leave nothing of a run behind but its reports."""

from __future__ import annotations

import time
from typing import Any

from load_api import LoadTests, Unavailable, path_of, refusal
from st2common.runners.base_action import Action

STOPPED = 200
STOPPING = 202
POLL_SECONDS = 1


class StopRun(Action):
    """Stop it where it still goes; one that has ended stays as it is."""

    def run(self, run_id: str, seconds: float) -> tuple[bool, dict[str, Any]]:
        """Answer its state, which is its end; raises Unavailable where it has none after so many seconds."""
        service, deadline = LoadTests(self.config), time.monotonic() + seconds
        while True:
            status, run = service.call("DELETE", path_of(run_id))
            if status == STOPPED:
                return True, {"state": run["state"]}
            if status != STOPPING:
                return False, refusal(status, run)
            if time.monotonic() > deadline:
                raise Unavailable(f"expected the run {run_id} to stop, got one that goes after {seconds} s")
            time.sleep(POLL_SECONDS)
