"""Waits."""

from __future__ import annotations

import random as dice
import time

from st2common.runners.base_action import Action  # type: ignore[import-not-found]  # the runner puts it on the path


class Pause(Action):  # type: ignore[misc]  # as above
    """Waits for some seconds, and gives how many."""

    def run(self, max_pause: int, random: bool = False) -> int:  # noqa: FBT001, FBT002 the parameters are StackStorm's
        """Wait for `max_pause` seconds, or for a random part of them from one second on."""
        seconds = dice.randint(1, max_pause) if random else max_pause  # noqa: S311 nothing is secret about it
        time.sleep(seconds)
        return seconds
