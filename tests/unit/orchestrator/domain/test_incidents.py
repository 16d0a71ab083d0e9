"""An incident's states and steps are one table, and its growth is told at 10, 100, 1,000, ..."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import CLOSED, TRANSITIONS, IncidentState, IncidentStep, after, grew_to, prevailing
from tests.recovery import incident

TARGETS = {
    IncidentStep.ASK: IncidentState.OPEN,
    IncidentStep.PLAN: IncidentState.PLANNED,
    IncidentStep.WAIT: IncidentState.WAITING,
    IncidentStep.RECOVER: IncidentState.RECOVERED,
    IncidentStep.DISCARD: IncidentState.DISCARDED,
}


@pytest.mark.parametrize(("state", "step"), list(product(IncidentState, IncidentStep)), ids=str)
def test_every_step_is_in_the_table_or_refused(state: IncidentState, step: IncidentStep) -> None:
    """An open incident takes every step, a closed one none."""
    if state in CLOSED:
        with pytest.raises(IllegalTransition, match=f"expected a step that {str(state)!r} allows"):
            after(state, step)
    else:
        assert after(state, step) is TARGETS[step]


def test_the_table_holds_nothing_else() -> None:
    """Three open states with five steps each."""
    assert len(TRANSITIONS) == 15


def test_the_kind_of_most_prevails() -> None:
    """An incident has the kind of most of its failures; the one it has, where no other has more."""
    kinds = {Kind.WORKER_LOST: 2, Kind.TRANSIENT: 2, Kind.POISON: 1}
    assert prevailing(kinds, Kind.TRANSIENT) is Kind.TRANSIENT
    assert prevailing(kinds | {Kind.POISON: 3}, Kind.TRANSIENT) is Kind.POISON
    assert prevailing({Kind.POISON: 1}, Kind.TRANSIENT) is Kind.POISON
    assert prevailing({}, Kind.TRANSIENT) is Kind.TRANSIENT


@pytest.mark.parametrize("state", IncidentState)
def test_recovered_and_discarded_are_the_ends(state: IncidentState) -> None:
    """Nothing is left to do for what has recovered or was discarded."""
    assert incident(state=state).closed is (state in {IncidentState.RECOVERED, IncidentState.DISCARDED})


def test_growth_is_told_at_each_power_of_ten() -> None:
    """Ten, a hundred, a thousand; nothing before ten and nothing in between."""
    assert [size for size in range(20_000) if grew_to(size)] == [10, 100, 1_000, 10_000]


@given(st.integers(0, 10**9))
def test_growth_is_told_at_nothing_but_powers_of_ten(size: int) -> None:
    """A size is told when it is one and zeros, and at least ten."""
    assert grew_to(size) is (size in {10**power for power in range(1, 10)})
