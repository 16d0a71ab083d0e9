"""What the answers of one sink add up to: when to open its circuit, for how long, and how much may go at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.breaker.policy import asked
from orchestrator.breaker.window import Window
from orchestrator.domain.events import Deferred, Outcome, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.breaker.policy import Policy


@dataclass(frozen=True, slots=True)
class Said:
    """What a call says of the other side; `wait` is the Retry-After in seconds, 0 where there is none."""

    outcome: Outcome
    wait: float = 0.0
    reason: str | None = None


SUCCESS = Said(Outcome.SUCCESS)
NEUTRAL = Said(Outcome.NEUTRAL)


@dataclass(frozen=True, slots=True)
class Opening:
    """The circuit is to open for so many seconds. One that is not `counted` is as long as the other side asked."""

    said: Said
    seconds: float
    counted: bool = True


def said_by(result: object) -> Said:
    """Judge what a call returned; a batch in which single events were refused says nothing of the other side."""
    if isinstance(result, Deferred):
        return Said(result.outcome, asked(result.retry_after), result.reason)
    return NEUTRAL if isinstance(result, Rejected) else SUCCESS


class Health:
    """Counts calls, openings in a row and the share that may go. Not for several threads by itself.

    `jitter` gives a number in [0, 1).
    """

    def __init__(self, policy: Policy, jitter: Callable[[], float]) -> None:
        self.trips = 0
        self.share = 1.0
        self._policy = policy
        self._jitter = jitter
        self._window = Window(policy.window)

    def forget_calls(self) -> None:
        """Begin the window anew."""
        self._window.clear()

    def start_small(self) -> None:
        """Let very little go at first."""
        self.share = self._policy.first_share

    def own_seconds(self) -> float:
        """Give for how long to open where the other side asks for nothing."""
        return self._policy.opening.seconds(self.trips, self._jitter())

    def succeeded(self, began: float, now: float, *, probe: bool) -> Opening | None:
        """Count a success; only when most calls are slow is it the one to open for."""
        if self.share < 1.0:
            self._grow()
        if probe:
            return None
        slow = now - began >= self._policy.slow_seconds
        self._window.add(now, failed=False, slow=slow)
        if slow and self._too_many():
            return Opening(Said(Outcome.FAILURE, reason="most calls are slow"), self.own_seconds())
        return None

    def failed(self, said: Said, began: float, now: float, *, enough: bool) -> Opening | None:
        """Count a failure; `enough` says that it opens the circuit whatever the window holds."""
        self._window.add(now, failed=True, slow=now - began >= self._policy.slow_seconds)
        return Opening(said, max(said.wait, self.own_seconds())) if enough or self._too_many() else None

    def throttled(self, said: Said) -> Opening:
        """Open exactly as long as the other side asks, without a mark against it."""
        return Opening(said, said.wait, counted=False) if said.wait else Opening(said, self.own_seconds())

    def misconfigured(self, said: Said) -> Opening:
        """Park: only a person can mend it, so that it is asked now and then, and counts as no failure."""
        return Opening(said, max(said.wait, self._policy.parking.seconds(self.trips, self._jitter())))

    def opened(self, opening: Opening) -> None:
        """Send half as much to one that asks for less, and very little to one that was unwell."""
        self.trips += opening.counted
        if opening.said.outcome is Outcome.THROTTLE:
            self.share = max(self._policy.first_share, self.share / 2)
        else:
            self.start_small()

    def _grow(self) -> None:
        """Double the share; once a full batch may go again, the series of openings is over."""
        self.share = min(1.0, self.share * 2)
        if self.share == 1.0:
            self.trips = 0

    def _too_many(self) -> bool:
        seen, policy = self._window, self._policy
        return seen.calls >= policy.minimum_calls and (
            seen.failures >= policy.failure_rate * seen.calls or seen.slow >= policy.slow_rate * seen.calls
        )
