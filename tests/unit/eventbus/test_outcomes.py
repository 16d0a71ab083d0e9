"""Counts of outcomes: each run once, by task, and nothing when nothing ran."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from eventbus.outcomes import Outcomes


def test_what_was_taken_is_counted_once() -> None:
    """Counts are by task, with its dependency; taking begins anew."""
    outcomes = Outcomes({"a": "db", "b": None}.__getitem__)
    outcomes.count("a", succeeded=True)
    outcomes.count("a", succeeded=False)
    outcomes.count("b", succeeded=True)
    taken = outcomes.take()
    assert taken is not None
    assert taken["window_seconds"] > 0
    assert taken["counts"] == [
        {"task": "a", "dependency": "db", "succeeded": 1, "failed": 1},
        {"task": "b", "dependency": None, "succeeded": 1, "failed": 0},
    ]
    assert outcomes.take() is None


def test_redrives_that_went_well_are_counted_beside() -> None:
    """How many of those that succeeded nobody but Redrive had sent is told; of failed ones it is not, they tell."""
    outcomes = Outcomes(lambda _: None)
    outcomes.count("a", succeeded=True)
    outcomes.count("a", succeeded=True, redriven=True)
    outcomes.count("a", succeeded=False, redriven=True)
    taken = outcomes.take()
    assert taken is not None
    assert taken["counts"] == [{"task": "a", "dependency": None, "succeeded": 2, "failed": 1, "redriven": 1}]


def test_threads_lose_no_count() -> None:
    """What many threads count at once is all there, however often it is taken meanwhile."""
    outcomes, counted = Outcomes(lambda _: None), 0
    threads = [
        threading.Thread(target=lambda: [outcomes.count("a", succeeded=True) for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counted += succeeded(outcomes.take())
    counted += succeeded(outcomes.take())
    assert counted == 8000


def succeeded(taken: dict[str, Any] | None) -> int:
    """Tell how many runs of the first task ended well."""
    return int(taken["counts"][0]["succeeded"]) if taken else 0


def test_a_forked_child_counts_its_own_runs_alone() -> None:
    """What the parent counted is the parent's, and a thread of it that took counts during the fork blocks no child."""
    outcomes = Outcomes(lambda _: None)
    outcomes.count("a", succeeded=False)
    with Held(outcomes):
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            outcomes.count("b", succeeded=True)
            taken = outcomes.take()
            os._exit(0 if taken and [each["task"] for each in taken["counts"]] == ["b"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    taken = outcomes.take()
    assert taken is not None
    assert [each["failed"] for each in taken["counts"]] == [1]


class Held:
    """Another thread that holds the lock of counts as long as the block lasts."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._taken, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self._outcomes._lock:
            self._taken.set()
            self._over.wait()

    def __enter__(self) -> None:
        """Have it hold the lock."""
        self._thread.start()
        self._taken.wait()

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        self._over.set()
        self._thread.join()
