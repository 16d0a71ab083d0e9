"""Timers: when they fire, over the days on which clocks are moved, and which parameters no timer can follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.stackstorm.embedded.content.triggers import CRON, DATE, INTERVAL
from orchestrator.stackstorm.embedded.rules import cron, timers

SECOND = timedelta(seconds=1)
# Zone -> the UTC times of 2026 at which its clocks are moved: an hour, an hour, half an hour.
TURNS = {
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)),
}


def fires(parameters: dict[str, object], after: datetime, count: int) -> list[str]:
    """Give the first times at which a cron timer fires, on the clock of its zone."""
    timer = timers.parse(CRON, parameters)
    shown = []
    for _ in range(count):
        found = timers.next_fire(timer, after)
        assert found is not None
        shown.append(found.astimezone(ZoneInfo(str(parameters["timezone"]))).isoformat())
        after = found
    return shown


def numbers(lowest: int, highest: int) -> st.SearchStrategy[str]:
    """Generate the text of a field with numbers: all, a step, one, a range with or without a step, a list."""
    number = st.integers(lowest, highest)
    span = st.tuples(number, number).map(sorted)
    one = st.one_of(
        st.just("*"),
        st.integers(1, max(1, (highest - lowest) // 2)).map(lambda step: f"*/{step}"),
        number.map(str),
        span.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        span.filter(lambda ends: ends[1] - ends[0] > 1).map(lambda ends: f"{ends[0]}-{ends[1]}/2"),
    )
    return st.lists(one, min_size=1, max_size=2).map(",".join)


FIELDS = st.fixed_dictionaries(
    {"minute": numbers(0, 59), "second": st.sampled_from(["0", "*/20", "59"])},
    optional={
        "hour": numbers(0, 4),
        "day": st.one_of(numbers(1, 28), st.sampled_from(["last", "last sun", "1st sun", "2nd sun", "*"])),
        "day_of_week": st.sampled_from(["sun", "*", "sat-sun", "0-6", "fri,sun"]),
    },
)


@settings(deadline=None, max_examples=60)
@given(FIELDS, st.sampled_from(sorted(TURNS)), st.integers(0, 1), st.integers(-7200, 5400))
def test_a_cron_timer_fires_as_a_scan_of_every_second_finds(
    given_fields: dict[str, str], zone: str, turn: int, start: int
) -> None:
    """In three zones, where clocks are moved: the first second whose wall clock fits, skipped ones put forward."""
    timer = timers.parse(CRON, {"timezone": zone, **given_fields})
    after = TURNS[zone][turn] + start * SECOND
    expected = scanned(timer, ZoneInfo(zone), after, 3 * 3600)
    found = timers.next_fire(timer, after)
    if expected is None:
        assert found is None or found > after + 3 * 3600 * SECOND
    else:
        assert found == expected


def scanned(timer: timers.Timer, zone: ZoneInfo, after: datetime, seconds: int) -> datetime | None:
    """Look at each second: whether the wall clock fits, or did fit the one that was skipped this long ago."""
    assert isinstance(timer, timers.Cron)
    for number in range(1, seconds + 1):
        moment = after + number * SECOND
        wall = moment.astimezone(zone)
        unmoved = moment.astimezone(zone) - (wall.utcoffset() or SECOND) + (before(zone, moment) or SECOND)
        if fits(timer, wall) or (unmoved.replace(tzinfo=None) != wall.replace(tzinfo=None) and fits(timer, unmoved)):
            return moment
    return None


def before(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    """Give the offset before a gap whose skipped times would be shown now, or the offset of now."""
    now = moment.astimezone(zone).utcoffset()
    for turn in TURNS[zone.key]:
        old, new = ((turn - SECOND).astimezone(zone).utcoffset(), turn.astimezone(zone).utcoffset())
        if old is not None and new is not None and new > old and turn <= moment < turn + (new - old):
            return old
    return now


def fits(timer: timers.Cron, wall: datetime) -> bool:
    """Tell whether every field fits a wall clock."""
    return all(field.at_least(wall) == field.value(wall) for field in reversed(timer.fields))


@pytest.mark.parametrize(
    ("fields", "after", "expected"),
    [
        ({"hour": 0, "minute": 30}, "2026-03-07T12:00", ["2026-03-08T00:30:00-05:00", "2026-03-09T00:30:00-04:00"]),
        ({"hour": 2, "minute": 30}, "2026-03-08T06:00", ["2026-03-08T03:30:00-04:00", "2026-03-09T02:30:00-04:00"]),
        ({"hour": 1, "minute": 30}, "2026-11-01T05:00", ["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"]),
        ({"minute": "*/30"}, "2026-03-08T06:00", ["2026-03-08T01:30:00-05:00", "2026-03-08T03:00:00-04:00"]),
        ({"day": "last fri"}, "2026-01-01T05:30", ["2026-01-30T00:00:00-05:00", "2026-02-27T00:00:00-05:00"]),
        (
            {"month": "jan-mar", "day": "last"},
            "2026-02-01T12:00",
            ["2026-02-28T00:00:00-05:00", "2026-03-31T00:00:00-04:00"],
        ),
        (
            {"week": 53, "day_of_week": "fri"},
            "2026-12-20T00:00",
            ["2027-01-01T00:00:00-05:00", "2032-12-31T00:00:00-05:00"],
        ),
        ({"year": "2030", "month": 2}, "2026-01-01T05:30", ["2030-02-01T00:00:00-05:00"]),
        (
            {"day_of_week": 0, "hour": "9,17"},
            "2026-01-01T05:30",
            ["2026-01-05T09:00:00-05:00", "2026-01-05T17:00:00-05:00"],
        ),
    ],
)
def test_a_cron_timer_in_new_york(fields: dict[str, object], after: str, expected: list[str]) -> None:
    """Days keep their hour over a move of the clock; what is left out is the lowest, or any where it is coarser."""
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert fires({"timezone": "America/New_York", **fields}, start, len(expected)) == expected


def test_what_never_comes_never_fires() -> None:
    """The thirtieth of February ends the search, and so does a year that is over."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for fields in ({"month": 2, "day": 30}, {"year": 2020}):
        assert timers.next_fire(timers.parse(CRON, {"timezone": "UTC", **fields}), now) is None


@given(st.integers(1, 10_000), st.integers(0, 100_000))
def test_an_interval_keeps_its_pace(delta: int, late: int) -> None:
    """The next time is a whole number of intervals after the last one, the first of them that is still to come."""
    timer = timers.parse(INTERVAL, {"unit": "seconds", "delta": delta})
    previous = datetime(2026, 3, 8, 6, 59, tzinfo=UTC)
    after = previous + late * SECOND
    found = timers.next_fire(timer, after, previous)
    assert found is not None
    assert after < found <= after + delta * SECOND
    assert (found - previous) % (delta * SECOND) == timedelta(0)


def test_an_interval_begins_one_interval_from_now_and_lasts_a_second_at_least() -> None:
    """As APScheduler has it, an interval of nothing is one of a second."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert timers.next_fire(timers.parse(INTERVAL, {"unit": "weeks", "delta": 2}), now) == now + timedelta(weeks=2)
    assert timers.next_fire(timers.parse(INTERVAL, {"unit": "days", "delta": 0}), now) == now + SECOND


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"date": "2026-07-01 12:00:00", "timezone": "Europe/Berlin"}, datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ({"date": "2026-07-01T12:00:00+05:00", "timezone": "Europe/Berlin"}, datetime(2026, 7, 1, 7, tzinfo=UTC)),
        ({"date": "1 Jul 2026 12:00 UTC"}, datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ({"date": "2026-03-29 02:30:00", "timezone": "Europe/Berlin"}, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_date_fires_once(parameters: dict[str, str], expected: datetime) -> None:
    """In its zone where it names no offset; never again afterwards."""
    timer = timers.parse(DATE, parameters)
    assert timers.next_fire(timer, datetime(2026, 1, 1, tzinfo=UTC)) == expected
    assert timers.next_fire(timer, expected) is None


@pytest.mark.parametrize(
    ("kind", "parameters", "key", "expected"),
    [
        (CRON, {"minute": "60"}, "minute", "numbers from 0 to 59"),
        (CRON, {"minute": "*/0"}, "minute", "a step"),
        (CRON, {"minute": "*/60"}, "minute", "a step"),
        (CRON, {"hour": "5-3"}, "hour", "the lower one first"),
        (CRON, {"day_of_week": "foo"}, "day_of_week", "one of mon"),
        (CRON, {"day_of_week": "sun-mon"}, "day_of_week", "goes up"),
        (CRON, {"day_of_week": "mon-fri/2"}, "day_of_week", "names such as mon"),
        (CRON, {"day": "1st foo"}, "day", "last fri"),
        (CRON, {"month": "0"}, "month", "numbers from 1 to 12"),
        (CRON, {"second": "last"}, "second", "expected"),
        (CRON, {"timezone": "Europe/Nowhere"}, "timezone", "a time zone such as"),
        (CRON, {"timezone": "../etc/passwd"}, "timezone", "a time zone such as"),
        (DATE, {"date": "tomorrow-ish"}, "date", "a date and time"),
        (DATE, {"date": "0001-01-01 00:00:00", "timezone": "Europe/Berlin"}, "date", "a date and time"),
        (INTERVAL, {"unit": "weeks", "delta": 10**12}, "delta", "a calendar can hold"),
        (INTERVAL, {"unit": "weeks", "delta": -1}, "delta", "above 0"),
    ],
)
def test_parameters_that_no_timer_can_follow_are_refused_by_key(
    kind: str, parameters: dict[str, object], key: str, expected: str
) -> None:
    """Each error names the parameter and what was expected."""
    with pytest.raises(timers.TimerError, match=expected) as caught:
        timers.parse(kind, parameters)
    assert caught.value.key == key


def test_the_names_of_fields_are_those_of_the_trigger_type() -> None:
    """No field of the trigger type is unknown to the matcher, and none of the matcher's is missing from the type."""
    from orchestrator.stackstorm.embedded.content.triggers import CORE_TYPES  # noqa: PLC0415 for this test alone

    assert set(CORE_TYPES[CRON].document["parameters_schema"]["properties"]) == {*cron.RANGES, "timezone"}
