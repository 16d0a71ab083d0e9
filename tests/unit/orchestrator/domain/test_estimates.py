"""Estimates of load and time: what bounds them, and what is said where nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.dependencies import Policy
from orchestrator.domain.estimates import UNKNOWN, Lane, Load, load_of, seconds_left, seconds_of

LANE = Lane("model", 10_000, 20, Policy(), rate=100.0, tokens=100.0, run_seconds=0.5, runs=40)


@pytest.mark.parametrize(
    ("changes", "per_second"),
    [
        ({}, 40.0),
        ({"pace": 1_000}, 100.0),
        ({"pace": 1_000, "forced": True}, 2_000.0),
        ({"pace": 1_000, "dependency": None}, 2_000.0),
        ({"pace": 1_000, "failures": 50}, 100.0),
        ({"policy": Policy(max_in_flight=5)}, 10.0),
        ({"rate": 1.0}, 1.0),
        ({"rate": 1.0, "failures": 90}, 40.0),
    ],
)
def test_a_load_is_bounded_by_pace_settings_and_budget(changes: dict[str, object], per_second: float) -> None:
    """In flight over run time, the settings' most, the budget's rate beyond its burst; a forced one heeds the pace."""
    assert load_of(replace(LANE, **changes)).per_second == pytest.approx(per_second)


def test_an_estimate_says_what_it_rests_on() -> None:
    """10,000 at 40 a second take 250 s and a ramp; how many runs that was measured on stands beside it."""
    found = load_of(LANE)
    assert found.seconds == pytest.approx(250, abs=5)
    assert found.says == "rests on 40 redrives of these tasks, 0.5 s each, once nothing keeps them back"


def test_what_nobody_knows_is_no_number() -> None:
    """Without a run time there is no duration, and it says why; the budget's rate still bounds the load."""
    unknown = load_of(replace(LANE, run_seconds=None, runs=0))
    assert (unknown.per_second, unknown.seconds, unknown.says) == (100.0, None, UNKNOWN)
    assert seconds_of([load_of(LANE), unknown]) == (None, UNKNOWN)
    assert load_of(replace(LANE, dependency=None, run_seconds=None)).per_second is None


def test_lanes_go_beside_each_other() -> None:
    """All of them take as long as the longest; on a schedule nobody can tell."""
    quick, slow = Load("a", 1.0, 10.0, "quick"), Load("b", 1.0, 20.0, "slow")
    assert seconds_of([quick, slow]) == (20.0, "slow")
    assert seconds_of([quick], scheduled=True)[0] is None
    assert seconds_of([])[0] is None


@given(st.integers(1, 100_000), st.integers(1, 10_000), st.floats(0, 3_600), st.floats(0, 1_000), st.floats(-50, 1_000))
def test_an_estimate_is_never_shorter_than_its_bounds_allow(
    failures: int, pace: int, run: float, rate: float, tokens: float
) -> None:
    """No load is above what pace, settings or budget let through, and the time covers what it takes at that load."""
    lane = replace(LANE, failures=failures, pace=pace, run_seconds=run, rate=rate, tokens=tokens)
    found = load_of(lane)
    assert found.per_second is not None
    assert found.seconds is not None
    assert found.per_second <= max(lane.in_flight / max(run, 0.001), 0.001) + 1e-9
    assert found.seconds >= min(run, 0.0)
    if failures > tokens:
        assert found.seconds >= (failures - max(tokens, 0)) / found.per_second - 1e-6


@pytest.mark.parametrize(("done", "left", "expected"), [(0, 90, None), (9, 90, None), (10, 90, 900.0), (100, 0, 0.0)])
def test_what_is_left_takes_as_long_as_it_did(done: int, left: int, expected: float | None) -> None:
    """At the pace that it has had; before ten are done nobody can tell."""
    assert seconds_left(done, left, 100.0) == expected
