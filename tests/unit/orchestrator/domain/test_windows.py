"""Windows and blackouts, read from text, open and closed by the wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestrator.domain.windows import even_until, opening_of

# 2026-11-23 is a Monday.
CASES = [
    ((), (), "2026-11-23 00:00", True),
    (("22:00-06:00",), (), "2026-11-23 22:00", True),
    (("22:00-06:00",), (), "2026-11-23 05:59", True),
    (("22:00-06:00",), (), "2026-11-23 06:00", False),
    (("22:00-06:00",), (), "2026-11-23 21:59", False),
    (("sat 08:00-12:00",), (), "2026-11-28 08:00", True),
    (("sat 08:00-12:00",), (), "2026-11-29 08:00", False),
    (("SAT 08:00-12:00",), (), "2026-11-28 11:59", True),
    (("sun 22:00-02:00",), (), "2026-11-23 01:59", True),
    (("sun 22:00-02:00",), (), "2026-11-24 01:59", False),
    (("sat-mon 08:00-12:00",), (), "2026-11-23 09:00", True),
    (("sat-mon 08:00-12:00",), (), "2026-11-24 09:00", False),
    (("mon,wed-thu 00:00-24:00",), (), "2026-11-26 23:59", True),
    (("mon,wed-thu 00:00-24:00",), (), "2026-11-24 12:00", False),
    (("01:00-02:00", "tue 00:00-24:00"), (), "2026-11-23 01:30", True),
    ((), ("2026-11-23",), "2026-11-23 23:59", False),
    ((), ("2026-11-23",), "2026-11-24 00:00", True),
    ((), ("2026-11-20/2026-11-22", "2026-12-01"), "2026-11-22 12:00", False),
    (("22:00-06:00",), ("2026-11-23",), "2026-11-24 01:00", True),
    (("22:00-06:00",), ("2026-11-23",), "2026-11-23 22:00", False),
]


@pytest.mark.parametrize(("windows", "blackouts", "wall", "is_open"), CASES)
def test_what_is_open_when(windows: tuple[str, ...], blackouts: tuple[str, ...], wall: str, is_open: bool) -> None:
    """The beginning counts, the end does not; a window past midnight is that of the day on which it begins."""
    at = datetime.fromisoformat(wall).replace(tzinfo=UTC)
    assert opening_of(windows, blackouts).holds(at, UTC) is is_open
    assert (opening_of(windows, blackouts).look_again(at, UTC) is None) is is_open


def test_a_wall_clock_runs_evenly_up_to_its_next_change() -> None:
    """Across a change the moment of the change is given, to the second; within none, the one that was asked for."""
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert even_until(midnight, timedelta(hours=6), berlin) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert even_until(midnight, timedelta(minutes=119), berlin) == midnight + timedelta(minutes=119)
