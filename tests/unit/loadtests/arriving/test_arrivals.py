"""Open arrivals: how many come, when, and what changes that."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import pytest

from loadtests.arrivals import Arrivals, Load, LoadInvalid


def test_arrivals_are_a_poisson_process() -> None:
    """20,000 at 50 a second take 400 s, the times between them spread as much as they are long on average."""
    stream = Arrivals(100.0, Random(1))
    moments = [each for window in range(1, 1601) for each in stream.until(100.0 + window / 4, 50)]
    between = [later - earlier for earlier, later in pairwise(moments)]
    assert len(moments) == pytest.approx(20_000, rel=0.035)
    assert moments == sorted(moments)
    assert fmean(between) == pytest.approx(0.02, rel=0.035)
    assert pstdev(between) == pytest.approx(0.02, rel=0.05)


def test_who_looks_late_finds_all_that_he_missed() -> None:
    """A stall takes no arrivals away: their intended starts lie within it."""
    stream = Arrivals(0.0, Random(2))
    stream.until(1.0, 100)
    missed = stream.until(4.0, 100)
    assert 200 < len(missed) < 400
    assert all(1.0 < each <= 4.0 for each in missed)


def test_a_rate_holds_from_when_it_is_said() -> None:
    """Nobody comes at a rate of 0, and what was not drawn then is not made up for."""
    stream = Arrivals(0.0, Random(3))
    assert stream.until(10.0, 0) == []
    assert all(10.0 < each <= 11.0 for each in stream.until(11.0, 50))


def test_streams_of_one_seed_are_the_same() -> None:
    """The same dice make the same load; a moment that has passed makes none."""
    first, second = Arrivals(0.0, Random("a")), Arrivals(0.0, Random("a"))
    assert first.until(5.0, 10) == second.until(5.0, 10) != []
    assert first.until(4.0, 10) == []
    assert first.at == 5.0


def test_a_file_changes_what_it_names() -> None:
    """The rest stays as it was."""
    assert Load(10.0, 2.0).changed('{"rate": 20, "malformed": 0.1}') == Load(20.0, 2.0, 0.1)


@pytest.mark.parametrize("text", ["", "[]", '{"rate": -1}', '{"rate": "x"}', '{"rate": true}', '{"rates": 1}',
                                  '{"malformed": 1.5}', '{"rate": Infinity}'])  # fmt: skip
def test_a_file_that_says_no_load_is_refused(text: str) -> None:
    """What was expected is said; nothing is taken of it."""
    with pytest.raises(LoadInvalid, match="expected"):
        Load(1.0).changed(text)
