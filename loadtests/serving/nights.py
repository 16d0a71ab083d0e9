"""Which nights have no answer: planned times by a wall clock, and the runs that began at them. Pure; `now` is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import time
    from zoneinfo import ZoneInfo

# The clock of whoever asks for a run may be so far ahead of ours.
EARLY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Nightly:
    """When a run is planned: once a day at a time of a zone's wall clock."""

    at: time
    zone: ZoneInfo

    def between(self, since: datetime, until: datetime) -> list[datetime]:
        """Give every planned time after `since` up to `until`, in UTC, oldest first."""
        first, last = since.astimezone(self.zone).date(), until.astimezone(self.zone).date()
        days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
        times = [datetime.combine(day, self.at, self.zone).astimezone(UTC) for day in days]
        return [each for each in times if since < each <= until]


def missed(planned: Sequence[datetime], begun: Sequence[datetime], now: datetime, grace: timedelta) -> list[datetime]:
    """Give the planned times at which no run began before the next one, or, of the last, before `grace` was over."""
    ends = [*planned[1:], now + EARLY]
    return [
        night
        for night, end in zip(planned, ends, strict=False)
        if night + grace <= now and not any(night - EARLY <= each < end - EARLY for each in begun)
    ]
