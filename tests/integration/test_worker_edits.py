"""A real worker and the real redriver: an edited redrive runs with the new value, and the ledger keeps the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from eventbus import wire
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.edits import edits_of, why_not_editable
from orchestrator.domain.errors import NotRedrivable
from tests.integration.test_worker_fidelity import SLOW, a_bench, failures_of, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.worker_harness import WorkerBench


@pytest.fixture(params=["sqlite", pytest.param("rabbitmq", marks=SLOW), pytest.param("redis", marks=SLOW)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerBench]:
    """A running worker on each kind of broker."""
    with a_bench(request, tmp_path, request.param) as bench:
        yield bench


@pytest.mark.parametrize(
    ("args", "kwargs"), [(["ann", 7], {"note": "n"}), (["ann"], {"size": 7, "note": "n"}), (["ann"], {"note": "n"})]
)
def test_an_edited_redrive_runs_with_the_new_value(bench: WorkerBench, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Passed by position, by name, or not at all: the second run has the edited value, and no argument twice."""
    sent = bench.app.send_task("fidelity_app.sized", args=args, kwargs=kwargs)
    (failure,) = failures_of(bench)
    before = failure.message.body
    assert failure.arguments == {"user": "ann"} | ({"size": "7"} if 7 in (*args, *kwargs.values()) else {})
    declared = wire_declaration(bench)
    assert why_not_editable(declared, {"size": 42}) is None
    assert "an integer" in str(why_not_editable(declared, {"size": "42"}))
    edits = edits_of({"size": 42}, failure.declaration)
    redriver = BusRedriver(bench.broker)
    redriver.publish(failure.message, uuid4(), None, None, edits)
    redriver.close()
    first, second = runs_of(bench, sent.id, 2)
    assert first["args"] == f"('ann', {7 if 'size' in kwargs or len(args) > 1 else 1})"
    assert (second["args"], second["kwargs"]) == ("('ann', 42)", "{'note': 'n'}")
    assert failure.message.body == before


@pytest.mark.parametrize("bench", ["sqlite"], indirect=True)
def test_a_pickled_message_is_not_edited(bench: WorkerBench) -> None:
    """It is refused for good, with the reason, and nothing runs; what it may be searched by is told all the same."""
    bench.app.send_task("fidelity_app.sized", args=["ann"], serializer="pickle")
    (failure,) = failures_of(bench)
    assert failure.arguments == {"user": "ann"}
    redriver = BusRedriver(bench.broker)
    with pytest.raises(NotRedrivable, match="size cannot be edited: expected a body in application/json"):
        redriver.publish(failure.message, uuid4(), None, None, edits_of({"size": 42}, failure.declaration))
    redriver.close()


def wire_declaration(bench: WorkerBench) -> dict[str, Any]:
    """Give the declaration as the failure's event carries it."""
    declaration: dict[str, Any] = dict(bench.events(wire.TASK_FAILED)[0].data["declaration"])
    return declaration
