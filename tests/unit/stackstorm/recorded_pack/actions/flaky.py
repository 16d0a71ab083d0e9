"""Fails until it has been asked often enough under one key."""

import time
from pathlib import Path

from st2common.runners.base_action import Action


class Flaky(Action):
    """Counts its calls in a file."""

    def run(self, key: str, ok_after: int = 2) -> tuple[bool, dict[str, int]]:
        """Succeed from the call `ok_after` on."""
        time.sleep(0.4)
        counted = Path(__file__).with_name(f"{key}.count")
        attempt = len(counted.read_text()) + 1 if counted.exists() else 1
        counted.write_text("x" * attempt)
        return attempt >= ok_after, {"attempt": attempt}
