"""The search ends near the true knee, plays it twice, and does not take luck for strength."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from loadtests.knee.searching import TIMES, Bounds, Tried, bounds_of, finest, next_rate
from loadtests.scenarios.scenario import Search

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH = Search(first_rate=20, factor=1.6, step_seconds=20, most_rate=2000, halvings=3)


def search(holds: Callable[[float], bool], told: Search = SEARCH) -> list[Tried]:
    """Play a search against something that holds or does not."""
    tried: list[Tried] = []
    while (rate := next_rate(told, tried)) is not None:
        tried.append(Tried(rate, holds(rate)))
        assert len(tried) < 60
    return tried


@pytest.mark.parametrize("knee", [21.0, 33.3, 100.0, 517.0, 1999.0])
def test_it_ends_just_below_the_knee(knee: float) -> None:
    """What held is below it, what missed above, and the two are as near as the halvings say."""
    known = bounds_of(search(lambda rate: rate <= knee))
    assert known.held is not None
    assert known.missed is not None
    assert known.held <= knee < known.missed
    assert known.missed / known.held <= finest(SEARCH) * 1.001
    assert known.times == TIMES


def test_it_takes_few_steps() -> None:
    """A knee at 25 times the first rate is found in a dozen steps."""
    assert len(search(lambda rate: rate <= 500)) <= 13


def test_a_knee_below_the_first_rate_is_found_downwards() -> None:
    """The first rate is a guess."""
    known = bounds_of(search(lambda rate: rate <= 5))
    assert known.held is not None
    assert 4 < known.held <= 5


def test_where_nothing_holds_it_gives_up() -> None:
    """Six steps down, each of which missed: there is no knee."""
    tried = search(lambda _: False)
    assert bounds_of(tried).held is None
    assert [round(each.rate, 1) for each in tried] == [20, 12.5, 7.8, 4.9, 3.1, 1.9]


def test_where_everything_holds_it_ends_at_the_most() -> None:
    """The most is played twice, and what missed is nothing."""
    known = bounds_of(search(lambda _: True))
    assert known == Bounds(2000, TIMES, None)


def test_the_rate_after_the_last_is_not_above_the_most() -> None:
    """The factor does not carry it over."""
    assert max(each.rate for each in search(lambda _: True)) == 2000


def test_what_held_once_by_luck_is_no_knee() -> None:
    """A rate that holds at first and misses when it is played again is one that misses; the search goes on below."""
    played: list[float] = []

    def holds(rate: float) -> bool:
        played.append(rate)
        return rate <= 100 or (rate <= 125 and played.count(rate) == 1)

    known = bounds_of(search(holds))
    assert known.held is not None
    assert known.held <= 100
    assert known.times == TIMES


@pytest.mark.parametrize("seed", range(20))
def test_chance_near_the_knee_never_puts_it_far_above(seed: int) -> None:
    """Where holding gets gradually unlikelier around 100, the knee that is told held at least twice, below 130."""
    dice = Random(seed)
    known = bounds_of(search(lambda rate: dice.random() < 1 / (1 + (rate / 100) ** 20)))
    assert known.held is not None
    assert known.held < 130
    assert known.times >= TIMES
