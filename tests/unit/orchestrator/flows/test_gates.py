"""When a gate opens: after a distance, at a time, or when a cron expression says, in its own time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.errors import InvalidPlan
from orchestrator.domain.moment import Moment
from orchestrator.domain.plan import Gate
from orchestrator.flows.gates import first_gate, next_cron, next_gate
from tests.recovery import NOON, RETRY


def plan(**gate: object) -> object:
    """Make a plan with such a gate."""
    return replace(RETRY, gate=Gate(**gate))


def utc(*parts: int) -> datetime:
    """Make a moment."""
    return datetime(*parts, tzinfo=UTC)


def series(cron: str, timezone: str, start: datetime, count: int) -> list[datetime]:
    """Give the next times of an expression, each found from the one before."""
    found = [start]
    for _ in range(count):
        found.append(next_cron(Gate(cron=cron, timezone=timezone), found[-1]))
    return [each.astimezone(UTC) for each in found[1:]]


def test_the_first_gate_is_a_distance_a_time_or_a_cron_expression_s() -> None:
    """A cron expression goes before a time, a time before a distance."""
    at = NOON + timedelta(hours=3)
    assert first_gate(plan(first_after=7), NOON) == NOON + timedelta(seconds=7)
    assert first_gate(plan(first_after=7, at=at), NOON) == at
    assert first_gate(plan(at=at, cron="30 12 * * *"), NOON) == NOON + timedelta(minutes=30)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 4), (0.5, 6), (0.999, 7.996)])
def test_jitter_takes_up_to_half_of_the_distance_off(jitter: float, seconds: float) -> None:
    """The next canary comes between half the distance and the whole of it."""
    opened = next_gate(plan(first_after=2, factor=2), 2, Moment(NOON, jitter))
    assert (opened - NOON).total_seconds() == pytest.approx(seconds)


def test_the_next_try_by_cron_is_the_expression_s_next_time() -> None:
    """A cron gate knows no distance and no jitter."""
    assert next_gate(plan(cron="0 13 * * *"), 5, Moment(NOON, 0.3)) == NOON + timedelta(hours=1)


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
        next_cron(Gate(cron=cron), NOON)


@pytest.mark.parametrize("timezone", ["", "Mars/Olympus", "../etc/passwd", "America", "a\x00b"])
def test_a_time_zone_that_is_none_is_refused(timezone: str) -> None:
    """A time zone that nobody knows is an invalid plan."""
    with pytest.raises(InvalidPlan, match="time zone"):
        next_cron(Gate(cron="* * * * *", timezone=timezone), NOON)
