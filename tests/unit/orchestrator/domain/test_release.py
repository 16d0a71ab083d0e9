"""What a release does next is one table; distances grow and never overflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.plan import LONGEST_SECONDS, Gate, Pace, Plan, PlanName, check
from orchestrator.domain.release import (
    ASK_ANOTHER,
    LARGEST_BATCH,
    Finish,
    Members,
    Release,
    ReleaseCounts,
    ReleaseState,
    Send,
    Wait,
    after_canary_sent,
    after_failure,
    after_success,
    distance,
    next_step,
    release_payload,
    under,
)
from tests.recovery import NOON, RETRY, incident, release

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.release import Step

PLAN = replace(RETRY, pace=Pace(5), gate=Gate(max_tries=3))
BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
DONE, FAILED = Finish(ReleaseState.SUCCEEDED), Finish(ReleaseState.FAILED)
CANARY = Send(1, canary=True, fresh=False)


def ramp(count: int) -> Send:
    """Make a step of a ramp."""
    return Send(count, canary=False, fresh=True)


TABLE = [
    # state, tries, held, in flight, now, what next
    (ReleaseState.HOLDING, 0, 0, 0, AFTER, DONE),
    (ReleaseState.CANARY, 1, 0, 0, AFTER, DONE),
    (ReleaseState.RAMPING, 0, 0, 0, AFTER, DONE),
    (ReleaseState.HOLDING, 3, 0, 0, AFTER, DONE),
    (ReleaseState.HOLDING, 0, 9, 0, BEFORE, Wait()),
    (ReleaseState.HOLDING, 0, 9, 0, NOON, CANARY),
    (ReleaseState.HOLDING, 0, 9, 0, AFTER, CANARY),
    (ReleaseState.HOLDING, 1, 9, 0, AFTER, CANARY),
    (ReleaseState.HOLDING, 0, 9, 1, AFTER, Wait()),
    (ReleaseState.HOLDING, 3, 9, 1, AFTER, Wait()),
    (ReleaseState.HOLDING, 3, 9, 0, AFTER, FAILED),
    (ReleaseState.HOLDING, 3, 9, 0, BEFORE, FAILED),
    (ReleaseState.CANARY, 1, 9, 1, AFTER, Wait()),
    (ReleaseState.CANARY, 3, 9, 1, AFTER, Wait()),
    (ReleaseState.RAMPING, 0, 9, 0, BEFORE, ramp(5)),
    (ReleaseState.RAMPING, 0, 9, 3, BEFORE, ramp(2)),
    (ReleaseState.RAMPING, 0, 1, 3, BEFORE, ramp(1)),
    (ReleaseState.RAMPING, 0, 9, 5, BEFORE, Wait()),
    (ReleaseState.RAMPING, 0, 9, 7, BEFORE, Wait()),
    (ReleaseState.RAMPING, 0, 0, 2, BEFORE, Wait()),
    (ReleaseState.RAMPING, 3, 9, 0, BEFORE, ramp(5)),
]


@pytest.mark.parametrize("row", TABLE)
def test_the_next_step_is_the_table_s(row: tuple[ReleaseState, int, int, int, datetime, Step]) -> None:
    """A closed gate waits, an open one lets a canary out, a ramp fills its window; nothing left ends it, and tries."""
    state, tries, held, flying, now, step = row
    given_release = release(uuid4(), plan=PLAN, state=state, tries=tries)
    assert next_step(given_release, Members(held, flying), now) == step


@pytest.mark.parametrize("name", [PlanName.ESCALATE, PlanName.IGNORE])
def test_a_plan_that_redrives_nothing_ends_a_release(name: PlanName) -> None:
    """What is in flight is waited for; what is held is left; nothing goes out, in whatever state."""
    for state in (ReleaseState.HOLDING, ReleaseState.CANARY, ReleaseState.RAMPING):
        stopped = release(uuid4(), plan=replace(PLAN, name=name), state=state)
        assert next_step(stopped, Members(9, 1), AFTER) == Wait()
        assert next_step(stopped, Members(9, 0), AFTER) == FAILED
        assert next_step(stopped, Members(0, 0), AFTER) == DONE


def test_a_step_is_no_larger_than_a_batch() -> None:
    """However wide the window and however many are held, one step moves a batch."""
    wide = release(uuid4(), plan=replace(PLAN, pace=Pace(10_000)), state=ReleaseState.RAMPING)
    assert next_step(wide, Members(9_999, 0), NOON) == ramp(LARGEST_BATCH)


def test_another_failure_is_asked_now_and_then_and_at_last() -> None:
    """The canary is a fresh failure on each eighth try, and on the last: one bad failure decides for nobody."""
    asked = release(uuid4(), plan=replace(PLAN, gate=Gate(max_tries=20)))
    steps = [next_step(replace(asked, tries=tries), Members(9, 0), AFTER) for tries in range(20)]
    fresh = [turn for turn, step in enumerate(steps, start=1) if isinstance(step, Send) and step.fresh]
    assert fresh == [ASK_ANOTHER, 2 * ASK_ANOTHER, 20]


def test_a_canary_that_comes_back_opens_the_ramp() -> None:
    """Sent, it is waited for; back well, the rest follows and the tries are counted anew; a ramp is not changed."""
    sent = after_canary_sent(release(uuid4(), tries=4))
    assert (sent.state, sent.tries) == (ReleaseState.CANARY, 5)
    back = after_success(sent)
    assert (back.state, back.tries) == (ReleaseState.RAMPING, 0)
    assert after_success(back) == back


@pytest.mark.parametrize("state", [ReleaseState.CANARY, ReleaseState.RAMPING])
def test_a_failure_closes_the_gate(state: ReleaseState) -> None:
    """A canary or a redrive of the ramp that fails holds the release until the time given."""
    closed = after_failure(release(uuid4(), state=state, tries=2), AFTER)
    assert (closed.state, closed.gate_at, closed.tries) == (ReleaseState.HOLDING, AFTER, 2)


@pytest.mark.parametrize("state", [ReleaseState.HOLDING, ReleaseState.SUCCEEDED, ReleaseState.FAILED])
def test_a_gate_that_is_closed_is_moved_no_further(state: ReleaseState) -> None:
    """Redrives that fail while the gate is closed, or after the end, change nothing; nor does a late success."""
    given_release = release(uuid4(), state=state)
    assert after_failure(given_release, AFTER) == given_release
    assert after_success(given_release) == given_release


def test_a_newer_plan_starts_at_its_own_gate() -> None:
    """Plan, gate and tries are the new plan's; what the release is, and when it started, stays."""
    old = release(uuid4(), state=ReleaseState.RAMPING, tries=2)
    new = under(old, PLAN, AFTER)
    assert new == replace(old, plan=PLAN, gate_at=AFTER, tries=0, state=ReleaseState.HOLDING)


@pytest.mark.parametrize("state", ReleaseState)
def test_succeeded_and_failed_are_the_ends(state: ReleaseState) -> None:
    """A release that succeeded or failed publishes nothing more."""
    assert release(uuid4(), state=state).ended is (state in {ReleaseState.SUCCEEDED, ReleaseState.FAILED})


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
