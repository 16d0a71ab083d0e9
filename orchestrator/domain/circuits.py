"""What is kept of a sink's circuit breaker, so that it stands over a restart, and what an operator says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.domain.events import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.events import Lane


class CircuitState(StrEnum):
    """Where a circuit stands: the names are pybreaker's."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Forced:
    """An operator holds a circuit open or closed, until it is released: by whose word, and why."""

    state: CircuitState
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a circuit stood at a moment: `at` and `reopen_at` are by the wall clock.

    `trips` is how often in a row it opened; `outcome` and `reason` are of the answer that moved it last.
    """

    name: str
    state: CircuitState
    at: datetime
    trips: int = 0
    reopen_at: datetime | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    forced: Forced | None = None

    def seconds_left(self, now: datetime) -> float:
        """Tell how long it stays open: never longer than it was to be at first, though the clock went back since."""
        if self.state is not CircuitState.OPEN or self.reopen_at is None:
            return 0.0
        whole, left = self.reopen_at - self.at, self.reopen_at - now
        return max(0.0, min(whole, left).total_seconds())


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """A circuit went from one state to another."""

    before: CircuitState
    now: Standing


def circuit_name(sink: str, lane: Lane) -> str:
    """Name the circuit of a sink's entry and a lane."""
    return f"{sink}/{lane.value}"


def place_of(name: str) -> tuple[str, str]:
    """Give the sink's entry and the lane that a circuit is of; a name without a lane is of no lane."""
    sink, slash, lane = name.rpartition("/")
    return (sink, lane) if slash else (name, "")


def awaits_settings(standing: Standing) -> bool:
    """Tell whether it is open because the settings or the other side's account are wrong: a person mends that."""
    return standing.state is not CircuitState.CLOSED and standing.outcome is Outcome.CONFIG
