"""Health: a table of what was seen and what it amounts to; evidence fades, and luck is no recovery."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.dependencies import Dependency, Health, Policy
from orchestrator.domain.health import Seen, aged, came_back, judged, needed, present, rate, seen, went_down
from tests.recovery import NOON

POLICY = Policy()


def after(*steps: tuple[float, int, int], known: Dependency | None = None) -> Dependency:
    """Let (seconds, successes, failures) be seen one after the other."""
    now, found = NOON, known or Dependency("model")
    for seconds, succeeded, failed in steps:
        now += timedelta(seconds=seconds)
        if succeeded:
            found = seen(found, Seen(now, succeeded=succeeded), POLICY)
        if failed:
            found = seen(found, Seen(now, failed=failed), POLICY)
    return found


@pytest.mark.parametrize(
    ("steps", "health"),
    [
        pytest.param([(0, 0, 4)], Health.HEALTHY, id="too-few"),
        pytest.param([(0, 0, 5)], Health.DOWN, id="all-failed"),
        pytest.param([(0, 1000, 50)], Health.HEALTHY, id="one-in-twenty"),
        pytest.param([(0, 80, 20)], Health.SUSPECT, id="one-in-five"),
        pytest.param([(0, 50, 50)], Health.DOWN, id="every-second"),
        pytest.param([(0, 0, 2), (120, 0, 2), (120, 0, 2)], Health.HEALTHY, id="few-and-far-between"),
        pytest.param([(0, 0, 9), (1, 2, 0)], Health.DOWN, id="two-passes"),
        pytest.param([(0, 0, 9), (1, 3, 0)], Health.RECOVERING, id="three-passes"),
        pytest.param([(0, 0, 9), (1, 3, 0), (1, 0, 1)], Health.SUSPECT, id="fails-again"),
        pytest.param([(0, 0, 9), (1, 600, 0), (1, 1, 0)], Health.HEALTHY, id="outweighed"),
        pytest.param([(0, 80, 20), *[(30, 40, 1)] * 8], Health.HEALTHY, id="always-a-few"),
        pytest.param([(0, 80, 20), *[(30, 16, 4)] * 8], Health.SUSPECT, id="one-in-five-for-long"),
    ],
)
def test_evidence_amounts_to_health(steps: list[tuple[float, int, int]], health: Health) -> None:
    """Volume, rate and passes in a row decide, in the order in which they were seen."""
    assert after(*steps).health is health


def test_a_refused_connection_says_it_at_once() -> None:
    """Nobody answers at all: one is enough, unless others are answered."""
    refused = Seen(NOON, failed=1, refused=True)
    assert seen(Dependency("model"), refused, POLICY).health is Health.DOWN
    assert seen(after((0, 50, 0)), refused, POLICY).health is Health.HEALTHY


@given(st.floats(0, 10_000), st.floats(0, 100), st.floats(0, 100))
def test_ageing_keeps_the_rate_and_halves_the_weight(seconds: float, won: float, lost: float) -> None:
    """After each half-life half of the evidence is left; its share of failures is what it was."""
    fresh = Dependency("model", successes=won, failures=lost, seen_at=NOON)
    old = aged(fresh, NOON + timedelta(seconds=seconds), POLICY)
    assert old.successes + old.failures == pytest.approx((won + lost) * 0.5 ** (seconds / 30), abs=1e-4)
    if old.failures + old.successes > 1e-6:
        assert rate(old) == pytest.approx(rate(fresh), abs=1e-6)
    assert aged(old, NOON, POLICY) == old


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_as_many_passes_are_wanted_as_luck_rarely_gives(share: float) -> None:
    """A dependency that stays as bad as it was passes that often in a row in at most one of a hundred cases."""
    failed = 1000
    partly = Dependency("model", failed=failed, passed=round(failed / share) - failed)
    wanted = needed(partly, POLICY)
    dice = random.Random(7)
    lucky = sum(all(dice.random() >= share for _ in range(wanted)) for _ in range(20_000))
    assert lucky / 20_000 <= POLICY.risk * 1.3
    assert wanted >= POLICY.passes


def test_what_went_well_before_the_outage_is_not_of_it() -> None:
    """After ten thousand good runs a whole outage wants three passes like any other."""
    found = after(*[(1, 100, 0)] * 100, *[(1, 0, 400)] * 20)
    assert found.health is Health.DOWN
    assert needed(found, POLICY) == POLICY.passes


def test_rare_failures_want_no_more_passes_than_suspicious_ones() -> None:
    """However seldom it failed, 44 passes in a row are enough: the number for one failure in ten."""
    assert {needed(Dependency("model", failed=1, passed=passed), POLICY) for passed in (9, 99, 99_999)} == {44}


def test_what_is_held_waits_for_evidence_and_not_for_time() -> None:
    """While redrives wait a dependency that is down stays so; with none it is healthy when all has faded."""
    down = after((0, 0, 9))
    late = NOON + timedelta(hours=1)
    assert judged(aged(down, late, POLICY), late, POLICY, held=True).health is Health.DOWN
    assert judged(aged(down, late, POLICY), late, POLICY, held=False).health is Health.HEALTHY


def test_a_canary_moves_it_both_ways() -> None:
    """One that comes back well makes it recovering; redrives that fail again make it down; healthy stays healthy."""
    down = after((0, 0, 9))
    back = came_back(down, NOON)
    assert back.health is Health.RECOVERING
    assert went_down(back, NOON, "so").health is Health.DOWN
    assert came_back(Dependency("model"), NOON) == Dependency("model")


def test_what_is_unwell_says_why_by_the_evidence_of_now() -> None:
    """What was known when it fell is little beside what failed since; faded counts change no word."""
    fallen = Dependency("model", Health.DOWN, "it refuses connections; 1 of 1 runs failed lately", failures=1_400)
    assert present(fallen).why == "it refuses connections; 1,400 of 1,400 runs failed lately"
    assert present(replace(fallen, why="1 of 1 runs failed lately")).why == "1,400 of 1,400 runs failed lately"
    for each in (replace(fallen, failures=0.4), replace(fallen, why="a probe said so"), Dependency("model")):
        assert present(each) == each
