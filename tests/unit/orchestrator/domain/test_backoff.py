"""Distances between tries of our own: doubled, capped, never negative, never overflowing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.backoff import Backoff


def test_a_distance_doubles_up_to_its_cap() -> None:
    """One, two, four, ... and then the cap."""
    assert [Backoff(1, 10).seconds(turn, 0) for turn in range(6)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_at_most_half_off(turn: int, jitter: float) -> None:
    """Whatever the turn and the dice, a distance is between half of itself and the whole."""
    whole = Backoff(0.25, 30).seconds(turn, 0)
    assert whole / 2 <= Backoff(0.25, 30).seconds(turn, jitter) <= whole <= 30
