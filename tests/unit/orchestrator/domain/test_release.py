"""What a release does next is one table; distances grow and never overflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.gates import Shut
from orchestrator.domain.pacing import Phase, Ramp
from orchestrator.domain.plan import LONGEST_SECONDS, Gate, Pace, Plan, PlanName, check
from orchestrator.domain.release import (
    ASK_ANOTHER,
    LARGEST_BATCH,
    NO_BUDGET,
    Entry,
    Finish,
    Members,
    Moves,
    Passage,
    Release,
    ReleaseCounts,
    ReleaseState,
    after_canary_sent,
    distance,
    next_moves,
    release_payload,
    under,
)
from tests.recovery import NOON, RETRY, incident, release

if TYPE_CHECKING:
    from datetime import datetime

PLAN = replace(RETRY, pace=Pace(5), gate=Gate(max_tries=3))
BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
HOLDING, CANARY, RAMPING = Phase.HOLDING, Phase.CANARY, Phase.RAMPING
OVER, FAILED = ReleaseState.SUCCEEDED, ReleaseState.FAILED
WIDE = 10_000.0

TABLE = [
    # phase, tries, held, in flight, now, how many go, how it ends
    (HOLDING, 0, 0, 0, AFTER, 0, OVER),
    (CANARY, 1, 0, 0, AFTER, 0, OVER),
    (RAMPING, 0, 0, 0, AFTER, 0, OVER),
    (HOLDING, 3, 0, 0, AFTER, 0, OVER),
    (HOLDING, 0, 9, 0, BEFORE, 0, None),
    (HOLDING, 0, 9, 0, NOON, 1, None),
    (HOLDING, 0, 9, 0, AFTER, 1, None),
    (HOLDING, 1, 9, 0, AFTER, 1, None),
    (HOLDING, 0, 9, 1, AFTER, 1, None),
    (HOLDING, 3, 9, 1, AFTER, 0, None),
    (HOLDING, 3, 9, 0, AFTER, 0, FAILED),
    (HOLDING, 3, 9, 0, BEFORE, 0, FAILED),
    (CANARY, 1, 9, 1, AFTER, 0, None),
    (CANARY, 3, 9, 1, AFTER, 0, None),
    (RAMPING, 0, 9, 0, AFTER, 5, None),
    (RAMPING, 0, 9, 3, AFTER, 2, None),
    (RAMPING, 0, 1, 3, AFTER, 1, None),
    (RAMPING, 0, 9, 5, AFTER, 0, None),
    (RAMPING, 0, 9, 7, AFTER, 0, None),
    (RAMPING, 0, 0, 2, AFTER, 0, None),
    (RAMPING, 3, 9, 0, AFTER, 5, None),
]


def moves(asked: Release, members: Members, now: datetime = AFTER, *, phase: Phase = HOLDING, **more: Any) -> Moves:
    """Ask what a release does next that is alone on its ramp."""
    return next_moves(Ramp("r", phase, window=WIDE), [Entry(asked, members)], Passage(**more), now)


def sent(found: Moves) -> int:
    """Count what goes."""
    return sum(each.count for each in found.sends)


@pytest.mark.parametrize("row", TABLE)
def test_the_next_moves_are_the_table_s(
    row: tuple[Phase, int, int, int, datetime, int, ReleaseState | None],
) -> None:
    """A closed gate waits, an open one lets a canary out, a ramp fills its window; nothing left ends it, and tries."""
    phase, tries, held, flying, now, going, end = row
    found = moves(release(uuid4(), plan=PLAN, tries=tries), Members(held, flying), now, phase=phase)
    assert sent(found) == going
    assert [each.state for each in found.finishes] == ([end] if end else [])
    assert all(each.canary == (phase is HOLDING) for each in found.sends)


@pytest.mark.parametrize("name", [PlanName.ESCALATE, PlanName.IGNORE])
def test_a_plan_that_redrives_nothing_ends_a_release(name: PlanName) -> None:
    """What is in flight is waited for; what is held is left; nothing goes out, in whatever phase."""
    for phase in Phase:
        stopped = release(uuid4(), plan=replace(PLAN, name=name))
        assert moves(stopped, Members(9, 1), phase=phase) == Moves()
        assert moves(stopped, Members(9, 0), phase=phase).finishes == (Finish(stopped, FAILED),)
        assert moves(stopped, Members(0, 0), phase=phase).finishes == (Finish(stopped, OVER),)


def test_a_step_is_no_larger_than_a_batch() -> None:
    """However wide the window and however many are held, one step moves a batch."""
    wide = release(uuid4(), plan=replace(PLAN, pace=Pace(10_000)))
    assert sent(moves(wide, Members(9_999, 0), phase=RAMPING)) == LARGEST_BATCH


def test_another_failure_is_asked_now_and_then_and_at_last() -> None:
    """The canary is a fresh failure on each eighth try, and on the last: one bad failure decides for nobody."""
    asked = release(uuid4(), plan=replace(PLAN, gate=Gate(max_tries=20)))
    steps = [moves(replace(asked, tries=tries), Members(9, 0)) for tries in range(20)]
    fresh = [turn for turn, step in enumerate(steps, start=1) if any(each.fresh for each in step.sends)]
    assert fresh == [ASK_ANOTHER, 2 * ASK_ANOTHER, 20]


def test_several_releases_share_one_canary_and_one_window() -> None:
    """The release whose canary failed sends the next one; the window and the budget are filled, oldest first."""
    old, new = (release(uuid4(), plan=PLAN) for _ in range(2))
    both = [Entry(old, Members(9, 2)), Entry(new, Members(9, 0))]
    assert [each.release for each in next_moves(Ramp("r"), both, Passage(), AFTER).sends] == [old]
    again = next_moves(Ramp("r", canary_release_id=new.id), both, Passage(), AFTER)
    assert [(each.release, each.count) for each in again.sends] == [(new, 1)]
    ramp = Ramp("r", RAMPING, window=7)
    assert [each.count for each in next_moves(ramp, both, Passage(), AFTER).sends] == [3, 2]
    poor = next_moves(ramp, both, Passage(affordable=4), AFTER)
    assert ([each.count for each in poor.sends], poor.why) == ([3, 1], NO_BUDGET)


def test_what_keeps_redrives_back_is_told() -> None:
    """Bad evidence stops a canary and no ramp; a person or a Retry-After stops both; so does an empty budget."""
    asked, why = release(uuid4(), plan=PLAN), Shut("it is down")
    assert moves(asked, Members(9, 0), shut=why).why == "it is down"
    assert sent(moves(asked, Members(9, 0), phase=RAMPING, shut=why)) == 5
    for phase in (HOLDING, RAMPING):
        found = moves(asked, Members(9, 0), phase=phase, barred=why)
        assert (found.sends, found.why) == ((), "it is down")
        found = moves(asked, Members(9, 0), phase=phase, affordable=0)
        assert (found.sends, found.why) == ((), NO_BUDGET)


def test_where_the_rules_are_asked_again_nothing_goes() -> None:
    """Without a plan that stands a release sends nothing, and ends only where nothing is left."""
    asked = release(uuid4(), plan=PLAN)
    for phase in Phase:
        assert next_moves(Ramp("r", phase), [Entry(asked, Members(3, 0), decided=False)], Passage(), AFTER) == Moves()
    over = next_moves(Ramp("r"), [Entry(asked, Members(0, 0), decided=False)], Passage(), AFTER)
    assert over.finishes == (Finish(asked, OVER),)


def test_a_newer_plan_starts_at_its_own_gate() -> None:
    """Plan, gate and tries are the new plan's; what the release is, and when it started, stays."""
    old = release(uuid4(), state=ReleaseState.RAMPING, tries=2)
    new = under(old, PLAN, AFTER)
    assert new == replace(old, plan=PLAN, gate_at=AFTER, tries=0)


@pytest.mark.parametrize("state", ReleaseState)
def test_a_release_ends_in_three_ways(state: ReleaseState) -> None:
    """A release that succeeded, failed or was aborted publishes nothing more."""
    ends = {ReleaseState.SUCCEEDED, ReleaseState.FAILED, ReleaseState.ABORTED}
    assert release(uuid4(), state=state).ended is (state in ends)


def test_distances_grow_by_the_factor_up_to_the_longest() -> None:
    """One, two, four seconds, and never more than allowed; a gate that opens at once keeps its tries apart."""
    gate = Gate(first_after=1, factor=2, max_distance=10)
    assert [distance(gate, tries).total_seconds() for tries in range(6)] == [1, 2, 4, 8, 10, 10]
    assert distance(replace(gate, first_after=0), 1).total_seconds() > 0
    assert distance(replace(gate, factor=1), 50).total_seconds() == 1


@given(
    st.builds(
        Gate,
        first_after=st.floats(0, LONGEST_SECONDS),
        factor=st.floats(1, 100),
        max_distance=st.floats(0.001, LONGEST_SECONDS),
        max_tries=st.integers(1, 10**9),
    ),
    st.integers(0, 10**9),
)
def test_every_gate_that_is_accepted_has_a_distance(gate: Gate, tries: int) -> None:
    """Whatever plan passes the check: no number of tries overflows, no distance is negative or beyond the longest."""
    check(Plan(PlanName.RETRY, "", gate=gate))
    assert timedelta(0) <= distance(gate, tries) <= timedelta(seconds=gate.max_distance)
    assert distance(gate, tries) <= distance(gate, tries + 1)


def test_rules_are_told_both_counts() -> None:
    """The payload of a release that ended names incident, release, and numerator and denominator."""
    of = incident(revision=4)
    told = release_payload(release(of.id, id=of.id), of, ReleaseCounts(5, 4, 7, 6))
    assert told == {
        "incident_id": str(of.id),
        "revision": 4,
        "release_id": str(of.id),
        "kind": "transient",
        "task": "app.call",
        "first_attempts": 5,
        "first_successes": 4,
        "attempts": 7,
        "successes": 6,
    }


def test_a_release_is_a_value() -> None:
    """No step changes a release: each gives another one."""
    made = release(uuid4())
    with pytest.raises(AttributeError):
        made.tries = 5  # type: ignore[misc]  # that it is refused is the point
    assert isinstance(after_canary_sent(made), Release)
