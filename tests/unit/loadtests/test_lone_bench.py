"""Lone failures in figures."""

from __future__ import annotations

import pytest

from loadtests.bench.lone import described, report_of
from loadtests.lone.measuring import STAGES, Sample


def sample(milliseconds: float) -> Sample:
    """Make a failure that took so long, the most of it in its workflow."""
    return Sample(0.0, 0.001, 0.002, 0.003, milliseconds / 1000 - 0.001, milliseconds / 1000, "one")


def test_the_stages_of_a_failure_add_up_to_its_whole() -> None:
    """No stage is left out of the breakdown."""
    one = sample(80)
    assert list(one.stages()) == list(STAGES)
    assert sum(one.stages().values()) == pytest.approx(one.seconds)


def test_the_target_is_the_95th_percentile_s() -> None:
    """A few slow ones are allowed, one in ten is not."""
    good = report_of([sample(50)] * 97 + [sample(500)] * 3, 0.0)
    assert (good.missed, good.whole.p50, good.whole.most) == (False, 50, 500)
    bad = report_of([sample(50)] * 90 + [sample(500)] * 10, 0.0)
    assert bad.missed
    assert "MISSED" in described(bad)
