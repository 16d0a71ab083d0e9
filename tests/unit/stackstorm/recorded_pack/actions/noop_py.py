"""Gives its parameter back, after long enough to be seen running."""

import time

from st2common.runners.base_action import Action

RUN_AGAIN = 8  # still running when the executions that have succeeded are listed


class Noop(Action):
    """Sleeps for a moment."""

    def run(self, x: int = 0) -> dict:
        """Give x and the time."""
        time.sleep(3.0 if x == RUN_AGAIN else 0.6)
        return {"x": x, "t": time.time()}
