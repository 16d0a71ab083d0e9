"""The figures of `bench calibration`: Brier's score, bins, and a verdict that can be bad."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from loadtests.bench import calibration
from loadtests.calibration.figures import Case, calibration_of, score_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GOOD = [Case(0.9, True, "a")] * 9 + [Case(0.9, False, "a")] + [Case(0.02, False, "b")] * 10
BAD = [Case(0.1, True, "a")] * 9 + [Case(0.9, False, "b")] * 10


def test_brier_is_the_mean_squared_difference() -> None:
    """As Brier (1950) has it: 0.7 for what came and 0.4 for what did not; the base rate of one in two scores 0.25."""
    score = score_of([Case(0.7, True, "a"), Case(0.4, False, "a")])
    assert score.brier == pytest.approx((0.09 + 0.16) / 2)
    assert (score.base_rate, score.base_rate_brier) == (0.5, 0.25)
    assert score.better


def test_what_is_told_apart_beats_the_base_rate_and_the_contrary_does_not() -> None:
    """Predictions that are right score below the base rate's, those that are wrong above; without any there is none."""
    assert calibration_of(GOOD).score.better
    assert not calibration_of(BAD).score.better
    assert not calibration_of([Case(None, True, "a")]).score.better


def test_cases_without_a_number_and_those_that_never_went_are_counted_apart() -> None:
    """Neither is scored, and none is lost."""
    made = calibration_of([*GOOD, Case(None, True, "a"), Case(0.5, None, "b"), Case(None, None, "b")])
    assert (made.cases, made.not_enough, made.never_went, made.score.count) == (23, 1, 2, 20)


def test_bins_hold_every_scored_case_once() -> None:
    """Their edges belong to the upper bin, but for the last; each tells its mean and what was seen."""
    made = calibration_of([*GOOD, Case(1.0, True, "a"), Case(0.0, False, "b"), Case(0.05, False, "b")])
    assert sum(each.count for each in made.bins) == made.score.count
    top = next(each for each in made.bins if each.low == 0.9)
    assert (top.count, top.predicted, top.seen) == (10, 0.9, 0.9)
    assert [each.low for each in made.bins] == [0.0, 0.05, 0.9, 0.95]
    assert set(made.sorts) == {"a", "b"}


@pytest.mark.parametrize(("cases", "code"), [(GOOD, 0), (BAD, 99)])
def test_the_benchmark_says_where_its_target_is_missed(
    cases: Sequence[Case], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits with 99, and the text says so; as JSON it carries the same figures."""
    told = [{"predicted": each.predicted, "succeeded": each.succeeded, "sort": each.sort} for each in cases]
    monkeypatch.setattr(calibration, "simulated", lambda *_: told)
    given = Namespace(days=1, seed=1, plan=None)
    assert calibration.main(json=False, given=given) == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)
    assert calibration.main(json=True, given=given) == code
    assert json.loads(capsys.readouterr().out)["score"]["count"] == len(cases)


SMALL = """
scale = 240
seconds = 12
drain_seconds = 4
outage = {dependencies = 2, median_minutes = 12, p90_minutes = 20, calls_per_second = 3}
partial = {dependencies = 1, minutes = 15, error_rate = 0.2, calls_per_second = 3}
rate_limited = {dependencies = 1, windows = 1, minutes = 10, calls_per_second = 3}
deadlock = {calls = 6, lock_seconds = 30}
oom = {calls = 3}
poison = {calls = 1}
permanent = {share = 0.1}
"""


def test_a_small_mix_is_lived_through_and_every_failure_is_a_case(tmp_path: Path) -> None:
    """Each is predicted before it goes, once."""
    plan = tmp_path / "small.toml"
    plan.write_text(SMALL)
    first = calibration.simulated(1, 3, plan)
    made = calibration_of([Case.read(each) for each in first])
    assert made.cases == made.not_enough + made.never_went + made.score.count
    assert made.cases > 20
    assert {each["succeeded"] for each in first} >= {True, False}
