"""The circuit of a relay as a part of the service: kept in the event log's database, told there and in the log."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from orchestrator.breaker import Breaker, KeptBreaker
from orchestrator.domain.circuits import CircuitState, circuit_name
from orchestrator.flows.circuits import circuit_changed
from orchestrator.flows.intake import record_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orchestrator.domain.circuits import CircuitChange
    from orchestrator.domain.events import Lane
    from orchestrator.domain.ports import Circuits, EventLog

logger = structlog.get_logger("redrive.circuits")


@dataclass(frozen=True, slots=True)
class CircuitMaker:
    """Makes the circuit of each relay: one for each sink entry and lane."""

    log: EventLog
    circuits: Circuits
    clock: Callable[[], datetime]

    def make(self, sink: str, lane: Lane) -> KeptBreaker:
        """Make the circuit of a sink and a lane, as it stood when its process ended."""
        breaker = Breaker(circuit_name(sink, lane), random.random)
        return KeptBreaker(breaker, self.circuits, self.clock, self._tell)

    def _tell(self, change: CircuitChange) -> None:
        self.log.append([record_of(circuit_changed(change))])
        if change.now.state is CircuitState.OPEN:
            logger.warning("circuit.changed", **_fields(change))
        else:
            logger.info("circuit.changed", **_fields(change))


def _fields(change: CircuitChange) -> dict[str, str | None]:
    now = change.now
    return {
        "circuit": now.name,
        "state": now.state.value,
        "before": change.before.value,
        "outcome": now.outcome.value if now.outcome else None,
        "reason": now.reason,
        "held_by": now.forced.by if now.forced else None,
    }
