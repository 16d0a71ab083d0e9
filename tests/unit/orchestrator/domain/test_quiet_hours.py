"""Quiet hours: by the wall clock, over the nights in which it is put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from orchestrator.domain.quiet_hours import QuietHours
from orchestrator.domain.windows import window_of

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(BERLIN, (window_of("22:00-07:00"), window_of("sat,sun 00:00-24:00")))


def end_of(hours: QuietHours, at: datetime) -> datetime:
    """Wait as an alert does: look again at each moment that is given, until it is no longer quiet."""
    while (until := hours.until(at)) is not None:
        assert until > at
        at = until
    return at


@pytest.mark.parametrize(
    ("at", "end"),
    [
        (datetime(2026, 11, 25, 21, 59, tzinfo=BERLIN), datetime(2026, 11, 25, 21, 59, tzinfo=BERLIN)),
        (datetime(2026, 11, 25, 22, 0, tzinfo=BERLIN), datetime(2026, 11, 26, 7, 0, tzinfo=BERLIN)),
        (datetime(2026, 11, 26, 6, 59, 30, tzinfo=BERLIN), datetime(2026, 11, 26, 7, 0, tzinfo=BERLIN)),
        (datetime(2026, 11, 26, 7, 0, tzinfo=BERLIN), datetime(2026, 11, 26, 7, 0, tzinfo=BERLIN)),
        # Friday night runs on through the weekend, whose windows follow each other.
        (datetime(2026, 11, 27, 23, 0, tzinfo=BERLIN), datetime(2026, 11, 30, 7, 0, tzinfo=BERLIN)),
    ],
)
def test_it_is_quiet_until_the_end_of_the_windows(at: datetime, end: datetime) -> None:
    """A window's first minute is in it and its last is not, past midnight too; windows that touch are one."""
    assert end_of(NIGHT, at.astimezone(UTC)) == end.astimezone(UTC)


@pytest.mark.parametrize(
    ("evening", "hours"),
    [
        (datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), 10),  # put back at 03:00: the night has an hour more
        (datetime(2026, 3, 28, 22, 0, tzinfo=BERLIN), 8),  # put forward at 02:00: and an hour less
        (datetime(2026, 5, 23, 22, 0, tzinfo=BERLIN), 9),
    ],
)
def test_quiet_hours_end_by_the_wall_clock_over_a_change_of_it(evening: datetime, hours: int) -> None:
    """Seven in the morning is seven in the morning, though the night was an hour longer or shorter."""
    quiet = QuietHours(BERLIN, (window_of("22:00-07:00"),))
    end = end_of(quiet, evening.astimezone(UTC))
    assert (end - evening.astimezone(UTC)).total_seconds() == hours * 3600
    assert end.astimezone(BERLIN).hour == 7
