"""A run is at rest when nothing is open and nothing changes, and says what is open where the time is up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests

from loadtests.playing.draining import QUIET_LOOKS, Standing, await_done, await_rest, standing

REST = Standing(0, {"recovered": 9, "held": 2}, 0, 0, 0, 3, 3, {"warehouse": 0}, 100)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"calls_unfinished": 2}, "calls unfinished: 2"),
        ({"failures": {"released": 1}}, "failures released: 1"),
        ({"failures": {"redelivery_pending": 4}}, "failures redelivery_pending: 4"),
        ({"waiting_held": 3}, "failures held that may succeed: 3"),
        ({"first_in_flight": 1}, "first attempts in flight: 1"),
        ({"releases_open": 1}, "releases not ended: 1"),
        ({"settled": 2}, "releases without a settle: 1"),
        ({"pending": {"warehouse": 5}}, "events pending at warehouse: 5"),
    ],
)
def test_whatever_is_not_at_rest_is_named(change: dict[str, Any], told: str) -> None:
    """One open thing alone keeps a run from its rest, and its number is told."""
    assert REST.open == []
    assert replace(REST, **change).open == [told]


def test_rest_is_waited_for() -> None:
    """What is open at first and what still comes in are waited for; one quiet look is not enough."""
    looks = iter([replace(REST, calls_unfinished=1, tally=50), replace(REST, tally=90), *[REST] * 20])
    seen = []

    def look() -> Standing:
        seen.append(next(looks))
        return seen[-1]

    assert await_rest(look, 30, lambda: None, pause=0) is None
    assert len(seen) == 2 + 1 + QUIET_LOOKS


def test_workers_that_tell_of_themselves_do_not_keep_work_from_being_done() -> None:
    """Something comes in between any two looks, and is on its way to a sink; work that is under way is waited for."""
    busy = [replace(REST, calls_unfinished=1, tally=number) for number in range(3)]
    looks = iter([*busy, *(replace(REST, pending={"warehouse": 1}, tally=10 + number) for number in range(20))])
    seen = []

    def look() -> Standing:
        seen.append(next(looks))
        return seen[-1]

    assert await_done(look, 30, lambda: None, pause=0) is None
    assert len(seen) == len(busy) + QUIET_LOOKS
    told = await_done(lambda: busy[0], 0.01, lambda: None, pause=0)
    assert "calls unfinished: 1" in str(told)


def test_a_failure_that_comes_late_is_work() -> None:
    """A call that has failed has ended, and is not done: its failure is on its way."""
    late = replace(REST, failures={"recovered": 10, "held": 2})
    looks = iter([REST, REST, REST, *[late] * 20])
    seen = []

    def look() -> Standing:
        seen.append(next(looks))
        return seen[-1]

    assert await_done(look, 30, lambda: None, pause=0) is None
    assert len(seen) == 3 + 1 + QUIET_LOOKS


def test_an_api_that_is_away_is_asked_again() -> None:
    """An orchestrator that has just been killed answers the next look."""
    looks = iter([requests.ConnectionError(), *[REST] * 20])

    def look() -> Standing:
        answer = next(looks)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await_rest(look, 30, lambda: None, pause=0) is None


def test_what_was_open_at_the_end_is_told() -> None:
    """A run that never comes to rest says within what time, and what kept it."""
    never = replace(REST, pending={"warehouse": 5})
    told = await_rest(lambda: never, 0.01, lambda: None, pause=0)
    assert told is not None
    assert "within 0 s" in told
    assert "events pending at warehouse: 5" in told


def test_held_failures_that_never_succeed_are_no_reason_to_wait() -> None:
    """Malformed calls wait for a person for good; a held outage does not."""
    held = [{"kind": kind} for kind in ("permanent", "poison", "dependency_down")]
    answers: dict[str, dict[str, Any]] = {
        "/api/v1/summary": {"failures": {"held": 3}},
        "/api/v1/failures?state=held&limit=1000": {"failures": held},
        "/api/v1/first-retry": {"first_in_flight": 0},
        "/api/v1/sinks": {"warehouse": {"pending": 1, "accepted": 8}},
    }
    releases = [{"ended_at": None, "state": "ramping"}, *({"ended_at": "x", "state": s} for s in ("failed", "aborted"))]
    found = standing(answers.__getitem__, 4, releases, 1)
    assert (found.waiting_held, found.releases_open, found.releases_told, found.tally) == (1, 1, 1, 8)
