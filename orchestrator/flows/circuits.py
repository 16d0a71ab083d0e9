"""What the circuit of a sink tells the world: each change as an event in the log, which reaches every sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventbus.wire import CIRCUIT_CHANGED, Event
from orchestrator.domain.circuits import place_of
from orchestrator.domain.ids import derive
from orchestrator.flows.announcing import SOURCE

if TYPE_CHECKING:
    from orchestrator.domain.circuits import CircuitChange


def circuit_changed(change: CircuitChange) -> Event:
    """Tell that a circuit changed, or that an operator holds it or let it go. The same change has the same id."""
    now, forced = change.now, change.now.forced
    sink, lane = place_of(now.name)
    data = {
        "circuit": now.name,
        "sink": sink,
        "lane": lane,
        "state": str(now.state),
        "before": str(change.before),
        "outcome": str(now.outcome) if now.outcome else None,
        "reason": now.reason,
        "trips": now.trips,
        "reopen_at": now.reopen_at.isoformat() if now.reopen_at else None,
        "forced": str(forced.state) if forced else None,
        "by": forced.by if forced else None,
    }
    event_id = str(derive(CIRCUIT_CHANGED, now.name, change.before, now.state, now.at.isoformat()))
    return Event(id=event_id, source=SOURCE, type=CIRCUIT_CHANGED, time=now.at, data=data)
