"""What a relay's circuit tells reaches the event log, in the lane of what goes first, as its schema says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import jsonschema_rs
import orjson
import pytest
from structlog.testing import capture_logs

from eventbus.wire import CIRCUIT_CHANGED, schema_text
from orchestrator.bootstrap.circuits import CircuitMaker
from orchestrator.domain.circuits import CircuitChange, CircuitState, Standing
from orchestrator.domain.events import Lane
from orchestrator.eventlog.circuits import SqlCircuits
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.circuits import circuit_changed
from tests.breakers import DOWN, WRONG_KEY
from tests.events import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "rudderstack/telemetry"


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[CircuitMaker]:
    """Give what makes circuits, on a SQLite log, at noon."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    migrate(url)
    log, circuits = SqlEventLog(url), SqlCircuits(url)
    yield CircuitMaker(log, circuits, lambda: NOON)
    circuits.close()
    log.close()


def test_an_opening_is_a_row_an_event_and_a_warning(maker: CircuitMaker) -> None:
    """A wrong key opens it: the row, an event that its schema takes, and a line that names the reason."""
    circuit = maker.make("rudderstack", Lane.TELEMETRY)
    with capture_logs() as lines:
        circuit.deliver(lambda: WRONG_KEY)
    row = maker.circuits.load(NAME)
    assert row is not None
    assert (row.state, row.trips, row.reason) == (CircuitState.OPEN, 1, "config: 401")
    (stored,) = maker.log.read(Lane.PRIORITY, 0, 10)
    event = orjson.loads(stored.record.body)
    assert event["type"] == CIRCUIT_CHANGED
    jsonschema_rs.validator_for(orjson.loads(schema_text(CIRCUIT_CHANGED)), validate_formats=True).validate(
        event["data"]
    )
    assert (event["data"]["circuit"], event["data"]["lane"], event["data"]["outcome"]) == (NAME, "telemetry", "config")
    (line,) = lines
    assert (line["event"], line["log_level"], line["reason"]) == ("circuit.changed", "warning", "config: 401")


def test_what_an_operator_says_is_an_event_with_a_name(maker: CircuitMaker) -> None:
    """Who holds a circuit, and why, stands in the event and in the line."""
    maker.circuits.force(NAME, CircuitState.CLOSED, "ada", "it is mended")
    circuit = maker.make("rudderstack", Lane.TELEMETRY)
    with capture_logs() as lines:
        for _ in range(10):
            circuit.deliver(lambda: DOWN)
    (stored,) = maker.log.read(Lane.PRIORITY, 0, 10)
    told = orjson.loads(stored.record.body)["data"]
    assert (told["forced"], told["by"], told["reason"], told["state"]) == ("closed", "ada", "it is mended", "closed")
    assert [line["held_by"] for line in lines] == ["ada"]


def test_the_same_change_has_the_same_id_and_another_has_another() -> None:
    """A change that is told again is in the log once."""
    opened = CircuitChange(CircuitState.CLOSED, Standing(NAME, CircuitState.OPEN, NOON))
    later = CircuitChange(CircuitState.CLOSED, Standing(NAME, CircuitState.OPEN, NOON + timedelta(seconds=1)))
    assert circuit_changed(opened).id == circuit_changed(opened).id
    assert circuit_changed(opened).id != circuit_changed(later).id
