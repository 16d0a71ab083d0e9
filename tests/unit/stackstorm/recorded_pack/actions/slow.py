"""Takes its time."""

import time

from st2common.runners.base_action import Action


class Slow(Action):
    """Sleeps."""

    def run(self, key: str, seconds: float) -> str:
        """Sleep for so many seconds."""
        time.sleep(seconds)
        return key
