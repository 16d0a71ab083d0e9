"""The circuit of what is sent again goes by the circuits of the same sink's relays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.bootstrap.replaying import SharedCircuit
from orchestrator.breaker import Breaker
from orchestrator.domain.circuits import CircuitState, Standing
from orchestrator.domain.events import Deferred, Delivered
from orchestrator.eventlog.circuits import MemoryCircuits
from tests.events import NOON

LATER = NOON + timedelta(seconds=30)


def standing(state: CircuitState, name: str = "warehouse/telemetry") -> Standing:
    """Make how a relay's circuit stands: an open one is tried again after 30 seconds."""
    return Standing(name, state, NOON, 1, LATER if state is CircuitState.OPEN else None)


def shared(circuits: MemoryCircuits, seconds: float = 0.0) -> SharedCircuit:
    """Make the circuit, so long after noon."""
    breaker = Breaker("replay-warehouse", lambda: 0.0)
    return SharedCircuit(circuits, "warehouse", breaker, lambda: NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize("state", [CircuitState.CLOSED, CircuitState.HALF_OPEN])
def test_nothing_rests_for_a_circuit_that_is_not_open(state: CircuitState) -> None:
    """A half-open one may be of a lane that has no events: what is sent again must not wait for them."""
    circuits = MemoryCircuits()
    circuits.save(standing(state))
    assert shared(circuits).rest() == 0.0
    assert shared(circuits).deliver(Delivered) == Delivered()


def test_it_rests_while_a_lane_s_circuit_is_open() -> None:
    """Until its next try is due, whether or not the lane has anything to try with; another sink's is no matter."""
    circuits = MemoryCircuits()
    circuits.save(standing(CircuitState.OPEN, "rudderstack/priority"))
    assert shared(circuits).rest() == 0.0
    circuits.save(standing(CircuitState.OPEN))
    assert shared(circuits, 29).rest() > 0
    assert shared(circuits, 31).rest() == 0.0


def test_a_person_s_word_comes_first() -> None:
    """Held open it rests, whatever the lane's own state; held closed it goes on."""
    circuits = MemoryCircuits()
    circuits.force("warehouse/priority", CircuitState.OPEN, "ada", "a deploy")
    assert shared(circuits, 1_000).rest() > 0
    circuits.save(standing(CircuitState.OPEN, "warehouse/priority"))
    circuits.force("warehouse/priority", CircuitState.CLOSED, "ada", "deployed")
    assert shared(circuits, 1).rest() == 0.0


def test_its_own_failures_open_it() -> None:
    """A sink that fails what is sent again is left alone, and the relays' circuits are not touched."""
    circuits = MemoryCircuits()
    circuit = shared(circuits)
    for _ in range(100):
        circuit.deliver(lambda: Deferred("away"))
    assert circuit.rest() > 0
    assert circuits.list() == []
