"""Distances between tries of our own: doubled, capped, never negative, never overflowing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.backoff import Backoff, asked_seconds
from tests.recovery import NOON


def test_a_distance_doubles_up_to_its_cap() -> None:
    """One, two, four, ... and then the cap."""
    assert [Backoff(1, 10).seconds(turn, 0) for turn in range(6)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_jitter_takes_at_most_half_off(turn: int, jitter: float) -> None:
    """Whatever the turn and the dice, a distance is between half of itself and the whole."""
    whole = Backoff(0.25, 30).seconds(turn, 0)
    assert whole / 2 <= Backoff(0.25, 30).seconds(turn, jitter) <= whole <= 30


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("Thu, 20 Nov 2025 12:01:30 GMT", 90),
        ("Thu, 20 Nov 2025 12:01:30 -0000", 90),
        ("Thu, 20 Nov 2025 11:00:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(header: str | None, expected: float | None) -> None:
    """A Retry-After gives seconds from now, never less than none; what cannot be read asks for nothing."""
    assert asked_seconds(header, NOON) == expected
