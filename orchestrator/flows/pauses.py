"""Pauses by the wall clock, which may be put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds from a moment on."""

    since: datetime
    seconds: float

    def left(self, now: datetime) -> float:
        """Give the seconds that are left; none once the clock shows less than at the beginning."""
        passed = (now - self.since).total_seconds()
        return max(0.0, self.seconds - passed) if passed >= 0 else 0.0
