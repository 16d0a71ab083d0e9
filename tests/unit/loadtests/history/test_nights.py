"""A run is held against the runs that are like it, and says so where there are too few."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.history.nights import against
from loadtests.history.store import History
from tests.loadtest_reports import MACHINE, VALUES, noisy, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> History:
    """Ten nights of equal code."""
    made, dice = History(tmp_path), Random(1)
    for night in range(10):
        made.add(noisy(dice, night))
    return made


def test_a_slower_build_is_told(history: History) -> None:
    """Each figure with what was foretold and its interval, and the names of those that are slower."""
    slow = noisy(Random(2), 10, slower=1.2)
    told = against(slow, history)
    assert told["slower"]
    assert told["why_not"] is None
    assert len(told["compared_with"]) == 10
    for each in told["tests"]:
        assert each["low"] < 1 < each["high"]
        assert each["ratio"] == pytest.approx(each["value"] / each["expected"])
    assert against(noisy(Random(2), 10), history)["slower"] == []


def test_it_makes_no_difference_whether_the_run_is_kept_already(history: History) -> None:
    """A run is never compared with itself, nor with what came after it."""
    run, later = noisy(Random(2), 10), noisy(Random(3), 11, slower=3.0)
    before = against(run, history)
    history.add(run)
    history.add(later)
    assert against(run, history) == before


@pytest.mark.parametrize(
    "change",
    [
        {"machine": MACHINE | {"kind": "another"}},
        {"engines": "real"},
        {"scenario": "nightly"},
        {"settings": {"scenario": {"name": "smoke", "rate": 40.0, "seed": 1}, "sabotage": None}},
        {"settings": {"scenario": {"name": "smoke", "rate": 20.0, "seed": 1}, "sabotage": "slow-plugin"}},
    ],
)
def test_what_is_not_alike_is_not_compared(history: History, change: dict[str, Any]) -> None:
    """Another machine, other engines, another load; and nothing is held against a run that was broken on purpose."""
    history.add(report(10, {"api_p50_ms": 80.0}, **change))
    run = report(11)
    assert len(against(run, history)["compared_with"]) == 10
    if "sabotage" not in change.get("settings", {}) or change["settings"]["sabotage"] is None:
        told = against(report(12, **change), history)
        assert len(told["compared_with"]) == 1
        assert "expected at least 6 comparable runs before it" in told["why_not"]


def test_other_seeds_are_alike(history: History) -> None:
    """A seed draws when faults come, and which calls are asked for: nights have others, and are compared."""
    scenario = {"name": "smoke", "rate": 20.0, "seed": 99, "about": "words"}
    assert len(against(report(10, settings={"scenario": scenario}), history)["compared_with"]) == 10


def test_a_run_without_what_is_tested_says_so(history: History) -> None:
    """No silence that looks like 'not slower'."""
    told = against(report(10, dict.fromkeys(VALUES, None)), history)
    assert told["tests"] == told["slower"] == []
    assert "orchestrator_cpu_us_per_call" in told["why_not"]
    assert "control" in against(report(10, control={}), history)["why_not"]


def test_a_broken_file_keeps_no_run_from_its_report(history: History) -> None:
    """What was measured is told, and that it could not be compared, with the file."""
    (history.folder / "broken.json").write_text("{")
    told = against(report(10), history)
    assert (told["tests"], told["slower"], len(told["points"]["api_p50_ms"])) == ([], [], 1)
    assert "broken.json" in told["why_not"]


def test_the_points_of_the_trend(history: History) -> None:
    """Each shown figure over the runs, oldest first, this run last; a run without it has no point."""
    points = against(report(10, {"overhead_p95_ms": None}), history)["points"]
    assert [len(points[name]) for name in ("overhead_p95_ms", "first_retry_success")] == [10, 11]
    assert points["first_retry_success"][-1] == [report(10)["run_id"], report(10)["started_at"], 0.98]
