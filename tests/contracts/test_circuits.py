"""What every store of circuits must do, on memory, SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.circuits import CircuitState, Forced, Standing
from orchestrator.domain.events import Outcome
from orchestrator.eventlog.circuits import MemoryCircuits, SqlCircuits
from orchestrator.eventlog.schema import migrate
from tests.events import NOON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.ports import Circuits

NAME = "rudderstack/priority"
OPEN = Standing(NAME, CircuitState.OPEN, NOON, 3, NOON + timedelta(seconds=8.25), Outcome.FAILURE, "503")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def circuits(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Circuits]:
    """Give an empty store of each kind, whose clock stands at noon."""
    if request.param == "memory":
        yield MemoryCircuits(lambda: NOON)
        return
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    made = SqlCircuits(url, lambda: NOON)
    yield made
    made.close()


def test_a_circuit_comes_back_as_it_was_saved(circuits: Circuits) -> None:
    """Its state, its series, the moment at which it reopens and why it stands so survive the store."""
    circuits.save(OPEN)
    assert circuits.load(NAME) == OPEN
    circuits.save(replace(OPEN, state=CircuitState.CLOSED, reopen_at=None, outcome=None, reason=None))
    kept = circuits.load(NAME)
    assert kept is not None
    assert (kept.state, kept.reopen_at, kept.reason) == (CircuitState.CLOSED, None, None)


def test_one_that_nobody_kept_is_none(circuits: Circuits) -> None:
    """A circuit that was never saved is not there, and an empty store lists nothing."""
    assert circuits.load(NAME) is None
    assert circuits.list() == []


def test_what_an_operator_says_stays_over_what_the_relay_saves(circuits: Circuits) -> None:
    """Who writes how it stands leaves the forced part alone, and the other way round."""
    circuits.save(OPEN)
    circuits.force(NAME, CircuitState.CLOSED, "ada", "the gateway is mended")
    forced = Forced(CircuitState.CLOSED, "ada", "the gateway is mended")
    assert circuits.load(NAME) == replace(OPEN, forced=forced)
    circuits.save(replace(OPEN, trips=4))
    assert circuits.load(NAME) == replace(OPEN, trips=4, forced=forced)
    circuits.release(NAME)
    assert circuits.load(NAME) == replace(OPEN, trips=4)


def test_one_can_be_forced_before_its_relay_ran(circuits: Circuits) -> None:
    """An operator's word waits for a circuit that is not kept yet."""
    circuits.force(NAME, CircuitState.OPEN, "ada", "maintenance")
    forced = Forced(CircuitState.OPEN, "ada", "maintenance")
    assert circuits.load(NAME) == Standing(NAME, CircuitState.CLOSED, NOON, forced=forced)


def test_they_are_listed_by_name(circuits: Circuits) -> None:
    """Every circuit that is kept is listed, in the order of the names."""
    for name in ("warehouse/telemetry", "otlp/telemetry", NAME):
        circuits.save(replace(OPEN, name=name))
    assert [each.name for each in circuits.list()] == ["otlp/telemetry", NAME, "warehouse/telemetry"]
