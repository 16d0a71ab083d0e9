"""When a gate opens: after a distance, at a time, or when a cron expression says, in its own time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.moment import Moment
from orchestrator.domain.plan import Gate, Plan
from orchestrator.domain.schedule import Misfire, Rung, Schedule
from orchestrator.flows.gates import check_times, first_gate, next_gate, time_after
from tests.recovery import NOON, RETRY


def plan(**gate: object) -> Plan:
    """Make a plan with such a gate."""
    return replace(RETRY, gate=Gate(**gate))


def utc(*parts: int) -> datetime:
    """Make a moment."""
    return datetime(*parts, tzinfo=UTC)


def series(cron: str, timezone: str, start: datetime, count: int) -> list[datetime]:
    """Give the next times of an expression, each found from the one before."""
    found = [start]
    for _ in range(count):
        found.append(time_after(Schedule(cron, timezone), 0, found[-1]))
    return [each.astimezone(UTC) for each in found[1:]]


def test_the_first_gate_is_a_distance_a_time_or_a_cron_expression_s() -> None:
    """A cron expression goes before a time, a time before a distance."""
    at = NOON + timedelta(hours=3)
    assert first_gate(plan(first_after=7), NOON) == NOON + timedelta(seconds=7)
    assert first_gate(plan(first_after=7, at=at), NOON) == at
    assert first_gate(plan(at=at, schedule=Schedule("30 12 * * *")), NOON) == NOON + timedelta(minutes=30)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 4), (0.5, 6), (0.999, 7.996)])
def test_jitter_takes_up_to_half_of_the_distance_off(jitter: float, seconds: float) -> None:
    """The next canary comes between half the distance and the whole of it."""
    opened = next_gate(plan(first_after=2, factor=2), 2, Moment(NOON, jitter))
    assert (opened - NOON).total_seconds() == pytest.approx(seconds)


def test_the_next_try_by_cron_is_the_expression_s_next_time() -> None:
    """A cron gate knows no distance and no jitter."""
    assert next_gate(plan(schedule=Schedule("0 13 * * *")), 5, Moment(NOON, 0.3)) == NOON + timedelta(hours=1)


def test_a_time_of_day_is_the_time_zone_s() -> None:
    """Nine in the morning is another moment in winter and in summer."""
    winter = series("0 9 * * *", "Europe/Berlin", utc(2026, 1, 1), 1)
    summer = series("0 9 * * *", "Europe/Berlin", utc(2026, 7, 1), 1)
    assert (winter, summer) == ([utc(2026, 1, 1, 8)], [utc(2026, 7, 1, 7)])


def test_a_time_that_daylight_saving_skips_comes_after_the_gap() -> None:
    """Half past two does not exist on the day when clocks go forward: it comes at three, and at half past two again."""
    found = series("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28, 12), 2)
    assert found == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]


def test_a_time_that_daylight_saving_repeats_comes_once() -> None:
    """Half past two exists twice on the day when clocks go back: the first one counts."""
    found = series("30 2 * * *", "Europe/Berlin", utc(2026, 10, 24, 12), 2)
    assert found == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


def test_an_interval_runs_on_through_the_repeated_hour() -> None:
    """Every half hour is every half hour, also while the clock shows the same hour twice."""
    found = series("*/30 * * * *", "Europe/Berlin", utc(2026, 10, 25, 0), 4)
    assert found == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1), utc(2026, 10, 25, 1, 30), utc(2026, 10, 25, 2)]


@pytest.mark.parametrize("cron", ["", "soon", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@daily"])
def test_an_expression_that_is_none_is_refused(cron: str) -> None:
    """What has not five fields, or names times that never come, is an invalid plan."""
    with pytest.raises(InvalidPlan, match="expected a five-field cron expression"):
        check_times(plan(schedule=Schedule(cron)), NOON)


@pytest.mark.parametrize("timezone", ["", "Mars/Olympus", "../etc/passwd", "America", "a\x00b"])
def test_a_time_zone_that_is_none_is_refused(timezone: str) -> None:
    """A time zone that nobody knows is an invalid plan."""
    with pytest.raises(InvalidPlan, match="time zone"):
        check_times(plan(schedule=Schedule("* * * * *", timezone)), NOON)


def test_an_hour_that_the_clock_shows_again_brings_no_time_that_is_past() -> None:
    """In the second showing of half past two, the next one is tomorrow's."""
    assert series("30 2 * * *", "Europe/Berlin", utc(2026, 10, 25, 1, 10), 1) == [utc(2026, 10, 26, 1, 30)]


def test_clocks_that_move_by_half_an_hour_lose_no_hour() -> None:
    """On Lord Howe Island two becomes half past two; three is one of every third hour all the same."""
    found = series("0 */3 * * *", "Australia/Lord_Howe", utc(2026, 10, 3, 13, 30), 2)
    assert found == [utc(2026, 10, 3, 16), utc(2026, 10, 3, 19)]


NEVER = [
    Schedule("0 12 * * *", windows=("13:00-14:00",)),
    Schedule("* * * * *", blackouts=("2025-01-01/2099-12-31",)),
    Schedule("*/5 * * * sat", windows=("mon-fri 00:00-24:00",)),
    Schedule("* * * * *", windows=("sun 08:00-08:01",), blackouts=("2025-01-01/2031-12-31",)),
    Schedule("* 13 * * *", windows=("13:00-14:00",), ladder=(Rung(3, "0 12 * * *"),)),
]


@pytest.mark.parametrize("schedule", NEVER, ids=lambda each: each.cron + str(each.windows))
def test_a_schedule_that_never_comes_is_refused_at_once(schedule: Schedule) -> None:
    """What windows, blackouts or a rung leave no time of for five years is an invalid plan, found in bounded time."""
    with pytest.raises(InvalidPlan, match=r"never comes.*within five years"):
        check_times(plan(schedule=schedule), NOON)


def test_a_leap_day_is_no_never() -> None:
    """What comes once in four years is a schedule."""
    check_times(plan(schedule=Schedule("0 0 29 2 *", windows=("00:00-01:00",))), NOON)


def test_a_rung_holds_after_its_number_of_tries() -> None:
    """Before it the schedule's own expression holds."""
    made = plan(schedule=Schedule("*/5 * * * *", ladder=(Rung(2, "0 * * * *"), Rung(4, "0 0 * * *"))))
    found = [next_gate(made, tries, Moment(NOON, 0.5)) - NOON for tries in range(6)]
    assert found == [timedelta(minutes=5)] * 2 + [timedelta(hours=1)] * 2 + [timedelta(hours=12)] * 2
    assert first_gate(made, NOON) == NOON + timedelta(minutes=5)


def test_the_next_try_is_one_that_was_missed_only_where_each_is_made_up_for() -> None:
    """With catch_up the times since the canary went count; otherwise the next one is ahead."""
    went = NOON - timedelta(minutes=20)
    found = {
        misfire: next_gate(plan(schedule=Schedule("*/15 * * * *", misfire=misfire)), 1, Moment(NOON, 0), went)
        for misfire in Misfire
    }
    quarter = timedelta(minutes=15)
    assert found == {Misfire.FIRE_ONCE: NOON + quarter, Misfire.SKIP: NOON + quarter, Misfire.CATCH_UP: NOON - quarter}
