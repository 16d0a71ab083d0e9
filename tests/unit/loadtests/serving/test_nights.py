"""Which nights have no answer."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from loadtests.serving.nights import Nightly, missed

GRACE = timedelta(hours=1)


def at(day: int, hour: int = 2, minute: int = 0) -> datetime:
    """A moment of November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


PLANNED = [at(1), at(2), at(3)]


@pytest.mark.parametrize(
    ("begun", "now", "nights"),
    [
        ([at(1), at(2, 2, 1), at(3)], at(3, 4), []),
        ([at(1), at(3)], at(3, 4), [at(2)]),
        ([], at(3, 4), [at(1), at(2), at(3)]),
        # a run late in the day, by hand, answers the night before it
        ([at(1, 20), at(2), at(3)], at(3, 4), []),
        # a clock that is a little ahead
        ([at(1), at(2, 1, 57), at(3)], at(3, 4), []),
        # the grace of the last one is not over
        ([at(1), at(2)], at(3, 2, 30), []),
        ([at(1), at(2)], at(3, 3), [at(3)]),
    ],
)
def test_a_night_is_missed_where_nothing_began_before_the_next(
    begun: list[datetime], now: datetime, nights: list[datetime]
) -> None:
    """Each planned time needs a run of its own, from shortly before it until the next one."""
    assert missed(PLANNED, begun, now, GRACE) == nights


def test_a_planned_time_follows_the_wall_clock() -> None:
    """On both sides of the day on which Berlin's clock is put back it is at two by that clock."""
    nightly = Nightly(time(2, 0), ZoneInfo("Europe/Berlin"))
    found = nightly.between(datetime(2026, 10, 23, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert [each.hour for each in found] == [0, 0, 1]
    assert [each.day for each in found] == [24, 25, 26]


def test_nothing_is_planned_before_or_after_what_is_asked_about() -> None:
    """The first moment itself is not in it, the last is."""
    nightly = Nightly(time(2, 0), ZoneInfo("UTC"))
    assert nightly.between(at(1), at(2)) == [at(2)]
    assert nightly.between(at(1, 3), at(1, 23)) == []
