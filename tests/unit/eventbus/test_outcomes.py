"""Counts of outcomes: each run once, by task, and nothing when nothing ran."""

from __future__ import annotations

import threading

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


def test_threads_lose_no_count() -> None:
    """What many threads count at once is all there, however often it is taken meanwhile."""
    outcomes, counted = Outcomes(lambda _: None), 0
    threads = [
        threading.Thread(target=lambda: [outcomes.count("a", succeeded=True) for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or counted < 8000:
        taken = outcomes.take()
        counted += taken["counts"][0]["succeeded"] if taken else 0
        assert taken or any(thread.is_alive() for thread in threads) or counted == 8000
    assert counted == 8000
