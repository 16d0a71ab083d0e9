"""When a run is at rest: what still has to come before anything is counted. The decision, and the wait for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LOOK_SECONDS: Final = 0.5
# Looks in a row at which nothing may be open and nothing may have changed: what a worker tells, it tells in batches.
QUIET_LOOKS: Final = 5
MOVING: Final = ("released", "redelivery_pending")
# Ends of a release that start an execution of `settle`.
TOLD: Final = ("succeeded", "failed")
NEVER: Final = ("permanent", "poison")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is. `waiting_held` are failures that are held and may still succeed, `releases_told`
    releases whose end StackStorm is told; `tally` changes while anything comes in.
    """

    calls_unfinished: int
    failures: Mapping[str, int]
    waiting_held: int
    first_in_flight: int
    releases_open: int
    releases_told: int
    settled: int
    pending: Mapping[str, int]
    tally: int

    @property
    def under_way(self) -> list[str]:
        """Name all work that is not done, with its number."""
        return _counted(
            {
                "calls unfinished": self.calls_unfinished,
                **{f"failures {state}": self.failures.get(state, 0) for state in MOVING},
                "failures held that may succeed": self.waiting_held,
                "first attempts in flight": self.first_in_flight,
                "releases not ended": self.releases_open,
                "releases without a settle": max(0, self.releases_told - self.settled),
            }
        )

    @property
    def open(self) -> list[str]:
        """Name all that is not at rest, with its number: work, and events on their way."""
        return self.under_way + _counted({f"events pending at {sink}": count for sink, count in self.pending.items()})


def _counted(found: Mapping[str, int]) -> list[str]:
    return [f"{what}: {count}" for what, count in found.items() if count]


def await_done(
    look: Callable[[], Standing], seconds: float, refuse_ended: Callable[[], None], pause: float = LOOK_SECONDS
) -> str | None:
    """Wait until no work is under way and no failure comes in; gives what still was when the time was up, else None.

    Workers that run tell of themselves every few seconds: between two looks some event has always come in.
    """

    def work() -> Standing:
        standing = look()
        return replace(standing, pending={}, tally=sum(standing.failures.values()))

    return await_rest(work, seconds, refuse_ended, pause)


def await_rest(
    look: Callable[[], Standing], seconds: float, refuse_ended: Callable[[], None], pause: float = LOOK_SECONDS
) -> str | None:
    """Wait until nothing is open and nothing changes; gives what was still open when the time was up, else None."""
    deadline, quiet, last, problem = time.monotonic() + seconds, 0, -1, "nothing seen"
    while time.monotonic() < deadline:
        refuse_ended()
        try:
            standing = look()
        except requests.RequestException as error:
            quiet, problem = 0, f"the API did not answer: {type(error).__name__}"
        else:
            quiet = quiet + 1 if not standing.open and standing.tally == last else 0
            last, problem = standing.tally, "; ".join(standing.open) or "more still comes in"
        if quiet >= QUIET_LOOKS:
            return None
        time.sleep(pause)
    return f"expected the run to come to rest within {seconds:.0f} s, got {problem}"


def standing(
    ask: Callable[[str], dict[str, Any]], calls_unfinished: int, releases: Sequence[Mapping[str, Any]], settled: int
) -> Standing:
    """Put together what the API says; raises requests' errors."""
    failures = dict(ask("/api/v1/summary")["failures"])
    sinks = ask("/api/v1/sinks")
    return Standing(
        calls_unfinished=calls_unfinished,
        failures=failures,
        waiting_held=_may_succeed(ask) if failures.get("held") else 0,
        first_in_flight=int(ask("/api/v1/first-retry")["first_in_flight"]),
        releases_open=sum(not each["ended_at"] for each in releases),
        releases_told=sum(each["state"] in TOLD for each in releases),
        settled=settled,
        pending={name: int(each["pending"]) for name, each in sinks.items()},
        tally=sum(int(each["accepted"]) for each in sinks.values()),
    )


def _may_succeed(ask: Callable[[str], dict[str, Any]]) -> int:
    """Count held failures that may go again: what is permanent or poison waits for a person, for good."""
    held = ask("/api/v1/failures?state=held&limit=1000")["failures"]
    return sum(each["kind"] not in NEVER for each in held)
