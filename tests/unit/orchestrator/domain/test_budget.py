"""The retry budget: over any stretch of time no more is spent than the burst and what flowed in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import affordable, rate, refilled, spent
from orchestrator.domain.dependencies import Dependency, Policy
from tests.recovery import NOON

POLICY = Policy(budget_rate=2, budget_burst=10, budget_share=0.5, half_life=10)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50)), max_size=60),
    st.floats(0, 50),
)
def test_the_budget_is_never_exceeded(draws: list[tuple[float, int]], live: float) -> None:
    """Whatever is asked for whenever: what was given is at most the burst and the rate times the time."""
    now, given_out = NOON, 0
    bucket = refilled(Dependency("model", live=live), POLICY, now)
    for seconds, wanted in draws:
        now += timedelta(seconds=seconds)
        bucket = refilled(bucket, POLICY, now)
        going = min(wanted, affordable(bucket))
        bucket, given_out = spent(bucket, going), given_out + going
        assert given_out <= POLICY.budget_burst + (now - NOON).total_seconds() * rate(bucket, POLICY) + 1e-6
        assert 0 <= (bucket.tokens or 0) <= POLICY.budget_burst


def test_what_a_person_forced_is_paid_back_first() -> None:
    """A bucket in debt allows nothing before it is above one again."""
    bucket = spent(Dependency("model", tokens=1.0, filled_at=NOON), 5)
    assert affordable(bucket) == 0
    assert affordable(refilled(bucket, replace(POLICY, budget_share=0), NOON + timedelta(seconds=2))) == 0
    assert affordable(refilled(bucket, replace(POLICY, budget_share=0), NOON + timedelta(seconds=3))) == 2


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Time that runs backwards neither fills nor drains the bucket, nor does the same time when it comes again."""
    bucket = Dependency("model", tokens=3.0, filled_at=NOON)
    for _ in range(20):
        bucket = refilled(refilled(bucket, POLICY, NOON - timedelta(seconds=1)), POLICY, NOON)
    assert bucket.tokens == 3.0
