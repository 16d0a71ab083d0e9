"""A failed task recovers by itself, on each set of engines; the same test, other URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.dev.stack import Engines
from orchestrator.warehouse.queries import cost_by_model
from orchestrator.warehouse.schema import STORE as WAREHOUSE

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.warehouse.queries import ModelCost
    from tests.acceptance.field import Field


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.slow), "rabbitmq and postgresql"])
def engines(request: pytest.FixtureRequest) -> Engines:
    """The two sets of engines."""
    if request.param == "sqlite":
        return Engines()
    database = request.getfixturevalue("postgres")
    return Engines(request.getfixturevalue("rabbitmq"), database, database, database)


def test_a_failed_task_recovers_by_itself_and_every_event_arrives(
    make_field: Callable[..., Field], engines: Engines
) -> None:
    """A rule fires, its workflow decides, the tasks are redriven and succeed, and the cost of each is in both sinks."""
    field = make_field(engines=engines)
    results = field.send("fragile", *"abcdefgh")
    incident = field.until("the incident to recover", lambda: _recovered(field))
    assert incident["size"] == len(results)
    assert incident["plan"]["execution_id"] in incident["dispatches"][0]["execution_ids"]
    assert incident["dispatches"][0]["rules"]
    for failure in field.failures():
        shown = field.ask(f"/api/v1/failures/{failure['id']}")
        assert shown["plan"]["execution_id"] == shown["execution_id"] == incident["plan"]["execution_id"]
        assert shown["triggers"][0]["trigger_instance_id"]
        assert {each["execution_id"] for each in shown["attempts"]} == {shown["execution_id"]}
    assert all(result.get(timeout=10) for result in results)
    assert set(field.runs().values()) == {2}
    field.until("every event to arrive", lambda: _arrived(field, len(results)))
    (cost,) = _costs(field)
    assert (cost.calls, cost.tokens_input, cost.unpriced) == (len(results), 374 * len(results), 0)


def _recovered(field: Field) -> dict[str, object] | None:
    incident = field.incident()
    return incident if incident["state"] == "recovered" else None


def _arrived(field: Field, calls: int) -> bool:
    sinks = field.ask("/api/v1/sinks")
    drained = all(each["pending"] == 0 and each["adds_up"] for each in sinks.values())
    return drained and bool(field.incident()["releases"][0]["outcome"]) and sum(c.calls for c in _costs(field)) == calls


def _costs(field: Field) -> list[ModelCost]:
    engine = WAREHOUSE.open(field.stack.engines.warehouse)
    try:
        return cost_by_model(engine)
    finally:
        engine.dispose()
