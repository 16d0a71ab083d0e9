"""The storm's figures, computed from what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.storm.figures import best_second, described, executions_before, growth_of, rate_of, report_of, shown
from loadtests.storm.playing import DEPENDENCY, Played, Sample, held_since


def sink(succeeded: int, first: float | None, last: float | None) -> dict[str, Any]:
    """Give what a sink tells."""
    told = {"refused": 2, "duplicates": 0, "by_second": {"10": 100, "11": 300}}
    return told | {"succeeded": succeeded, "first_success": first, "last_success": last}


def execution(ref: str, at: str) -> dict[str, Any]:
    """Give an execution as StackStorm lists it."""
    return {"action": {"ref": ref}, "start_timestamp": at}


def test_the_rate_is_over_all_redrives_from_the_first_to_the_last() -> None:
    """A thousand redrives in ten seconds are a hundred a second; of less than two there is no rate."""
    assert rate_of(sink(1_001, 5.0, 15.0)) == 100
    assert rate_of(sink(1, 5.0, 5.0)) == 0
    assert rate_of(sink(0, None, None)) == 0


def test_the_best_second_is_a_difference_of_neighbours() -> None:
    """Counts are of all until then; a second that follows a gap tells nothing."""
    assert best_second({10: 100, 11: 300, 13: 900}) == 200
    assert best_second({}) == 0


def test_only_executions_before_the_release_count() -> None:
    """An execution that began after the first redrive decided nothing about the release."""
    listed = [
        execution("redrive.retry", "1970-01-01T00:00:01.000000Z"),
        execution("redrive.settle", "1970-01-01T00:00:09.000000Z"),
    ]
    assert executions_before(listed, 5.0) == {"redrive.retry": 1}


def test_memory_grows_from_when_a_third_was_in() -> None:
    """What the start takes is not growth; a storm that never came in has none to tell."""
    samples = [Sample(0, 50, 0), Sample(1, 100, 40), Sample(2, 130, 90), Sample(3, 120, 100)]
    assert growth_of(samples, 100) == 1.3
    assert growth_of(samples[:1], 100) is None


def test_the_first_and_the_last_sample_are_shown() -> None:
    """Of many samples some are shown, those at both ends among them."""
    samples = [Sample(at, 100, at) for at in range(100)]
    chosen = shown(samples, 0)
    assert (chosen[0][0], chosen[-1][0]) == (0, 99)
    assert len(chosen) < 20


def test_each_target_is_missed_by_name() -> None:
    """A storm never held, not redriven, in too many incidents, at a low rate, with memory that grows, misses each."""
    played = Played(
        peer_per_second=1_000,
        generator={"began": 0.0, "published": 60.0},
        opened_at=5.0,
        samples=[Sample(0, 100, 50), Sample(1, 200, 100)],
        incidents=[{}] * 6,
        executions=[execution("redrive.retry", "1970-01-01T00:00:01.000000Z")] * 7,
        sink=sink(90, 6.0, 7.0),
    )
    report = report_of(played, "embedded", "sqlite", 100)
    assert len(report.missed) == 6
    assert "never held" in report.missed
    assert "MISSED" in described(report)
    assert "waits for the confirm" in described(report)
    good = Played(
        peer_per_second=100,
        generator={"began": 0.0, "published": 60.0},
        taken_in_at=61.0,
        held_at=1.0,
        samples=[Sample(0, 100, 50), Sample(1, 101, 100)],
        incidents=[{}] * 3,
        sink=sink(100, 6.0, 7.0),
    )
    assert report_of(good, "embedded", "sqlite", 100).missed == []


@pytest.mark.parametrize(
    ("told", "since"),
    [
        ([], None),
        ([{"name": DEPENDENCY, "health": "healthy", "since": "1970-01-01T00:00:05Z"}], None),
        ([{"name": "other", "health": "down", "since": "1970-01-01T00:00:05Z"}], None),
        ([{"name": DEPENDENCY, "health": "down", "since": "1970-01-01T00:00:05Z"}], 5.0),
    ],
    ids=["unknown", "healthy", "another", "down"],
)
def test_it_is_held_since_the_ledger_says_so(told: list[dict[str, Any]], since: float | None) -> None:
    """Not since somebody looked, nor since an incident was planned: the moment is the dependency's own."""
    assert held_since(told) == since
