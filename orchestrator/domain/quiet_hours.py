"""Quiet hours: when people are not to be woken, by the wall clock of their time zone, and when that ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from orchestrator.domain.incidents import Severity
from orchestrator.domain.windows import DAYS, MINUTES, Window, even_until, wall_of

if TYPE_CHECKING:
    from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Windows of the week, by the wall clock of `zone`. What is as severe as `wakes`, or more, goes at once."""

    zone: tzinfo
    windows: tuple[Window, ...]
    wakes: Severity = Severity.CRITICAL

    def until(self, at: datetime) -> datetime | None:
        """Give a moment before which it stays quiet; None where it is not quiet.

        It is never later than the end, and may be earlier: at windows that follow each other, and where the clock is
        put forward or back. Whoever waits looks again then.
        """
        wall = wall_of(at, self.zone)
        left = max((_minutes_left(window, wall) for window in self.windows), default=0)
        if left <= 0:
            return None
        into = timedelta(seconds=wall.second, microseconds=wall.microsecond)
        return even_until(at, timedelta(minutes=left) - into, self.zone)


def _minutes_left(window: Window, wall: datetime) -> int:
    """Give the minutes from the one that the clock shows to the window's end; 0 where it does not hold."""
    minute, today = wall.hour * 60 + wall.minute, wall.weekday()
    if (today - 1) % len(DAYS) in window.days and minute + MINUTES < window.end:
        return window.end - minute - MINUTES
    if today in window.days and window.start <= minute < window.end:
        return window.end - minute
    return 0
