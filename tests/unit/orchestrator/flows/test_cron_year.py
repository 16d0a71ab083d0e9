"""A year of cron back-offs, with its changes of daylight saving, in three zones, against a walk of every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.schedule import Rung, Schedule, cron_of
from orchestrator.flows.gates import time_after
from tests.cron_oracle import Cron, fires, in_blackout, in_windows, times, walls

YEAR = 2026
# Lord Howe Island moves its clocks by half an hour.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
NIGHT = ("22:00-06:00",)
HOLIDAYS = ("2026-03-29", "2026-12-24/2027-01-01")
SCHEDULES = {
    "hours": Schedule("10 * * * *"),
    "every third hour": Schedule("0 */3 * * *"),
    "in the hours that change": Schedule("5,35 1-3 * * *"),
    "once in the night": Schedule("15 2 * * *"),
    "by weekday or day": Schedule("30 2 1,15 * sun"),
    "at night": Schedule("*/20 */2 * * *", windows=NIGHT),
    "windows that the changes cut": Schedule(
        "*/5 * * * *", windows=("02:20-03:40",), blackouts=HOLIDAYS[1:]
    ),
    "ladder": Schedule(
        "*/10 * * * *", windows=("02:10-02:50", "mon-fri 12:00-24:00"), blackouts=HOLIDAYS,
        ladder=(Rung(40, "*/30 * * * *"), Rung(500, "40 2 * * *"), Rung(600, "0 */2 * * 1-5")),
    ),
}  # fmt: skip


def series(schedule: Schedule) -> list[datetime]:
    """Give the times of the year, each found from the one before, after one more failed try."""
    found: list[datetime] = []
    at, end = datetime(YEAR, 1, 1, tzinfo=UTC) - timedelta(seconds=1), datetime(YEAR + 1, 1, 1, tzinfo=UTC)
    while (at := time_after(schedule, len(found), at)) < end:
        found.append(at)
    return found


def numeric(cron: str) -> str:
    """Write a day of the week as its number."""
    return cron.replace("sun", "0")


# Each schedule in one zone by default, and each zone with some; all in all with what is slow.
CELLS = [
    pytest.param(name, zone, marks=() if number % len(ZONES) == at else pytest.mark.slow)
    for number, name in enumerate(SCHEDULES)
    for at, zone in enumerate(ZONES)
]


@pytest.mark.parametrize(("name", "zone"), CELLS)
def test_a_year_is_exact_to_the_minute(name: str, zone: str) -> None:
    """Every time of the year is a minute that the walk finds, and none is missing, put forward or back or not."""
    given = SCHEDULES[name]
    schedule = Schedule(given.cron, zone, given.windows, given.blackouts, given.ladder)
    crons = [(0, numeric(given.cron)), *((rung.after, rung.cron) for rung in given.ladder)]
    expected = times(crons, zone, given.windows, given.blackouts, YEAR)
    assert len(expected) > 20
    assert series(schedule) == expected


minutes = st.integers(0, 59)
clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), minutes)
days = st.sampled_from(["", "sat ", "mon-fri ", "fri-mon,wed ", "sun "])
spans = st.lists(clocks, min_size=2, max_size=2, unique=True).map("-".join)
windows = st.builds("{}{}".format, days, spans)
crons = st.one_of(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 */5 * * *", "30 2 * * *", "1-59/2 1-3 * * *", "0 0 * * 1"]),
    st.builds("{} {} * * *".format, minutes, st.integers(0, 23)),
    st.builds("*/{} {} * * *".format, st.integers(1, 59), st.integers(0, 3)),
)
# The days around each change of clocks of 2026 in the three zones, and some that are like any other.
CHANGES = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-07-15")
moments = st.builds(
    lambda day, second: datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=second),
    st.sampled_from(CHANGES),
    st.integers(-86_400, 2 * 86_400),
)
blackouts = st.lists(st.sampled_from([*CHANGES, "2026-10-24/2026-10-26", "2026-03-01/2026-03-07"]), max_size=2)


@settings(max_examples=200, deadline=None)
@given(crons, st.sampled_from(ZONES), st.lists(windows, max_size=2), blackouts, moments)
def test_no_time_is_in_a_blackout_or_outside_a_window_and_none_before_it_was_passed_over(
    cron: str, zone: str, windows: list[str], blackouts: list[str], now: datetime
) -> None:
    """The next time is open, and the first minute after now at which the expression fires and it is open."""
    schedule = Schedule(cron, zone, tuple(windows), tuple(blackouts))
    found = time_after(schedule, 0, now)
    start = now.replace(second=0) + timedelta(minutes=1)
    for at, local, before in walls(zone, start, start + timedelta(days=9)):
        fired = fires(Cron(cron), local, before)
        if fired and in_windows(schedule.windows, local) and not in_blackout(schedule.blackouts, local):
            assert found == at
            return
        assert found != at
    assert found >= start + timedelta(days=9)


@given(st.lists(st.integers(1, 50), unique=True, max_size=6), st.lists(st.integers(0, 60), min_size=2, max_size=20))
def test_a_ladder_is_only_climbed(rungs: list[int], tries: list[int]) -> None:
    """More failed tries never bring an earlier rung back, and each rung holds from its own number on."""
    schedule = Schedule("0", ladder=tuple(Rung(after, str(after)) for after in sorted(rungs)))
    reached = [int(cron_of(schedule, each)) for each in sorted(tries)]
    assert reached == sorted(reached)
    for each, rung in zip(sorted(tries), reached, strict=True):
        assert rung == max([0, *(after for after in rungs if after <= each)])
