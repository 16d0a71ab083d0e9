"""A real prefork worker: what the caller said once is known in the run, in the tasks it sends, and in a redrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventbus import wire
from eventbus.telemetry import context
from tests.integration.worker_harness import PATIENCE, WorkerBench, new_id, republish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHO = {
    "organization_id": "acme",
    "user_id": "ann",
    "agent_id": "planner",
    "workflow_execution_id": "w-1",
    "node_id": "n-1",
    "request_id": "r-1",
}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[WorkerBench]:
    """A worker on the bus in one file."""
    with WorkerBench(
        tmp_path, f"redrive+sqlite:///{tmp_path}/bus.sqlite", app="tests.integration.telemetry_app"
    ) as bench:
        yield bench


def test_a_context_crosses_to_the_worker_and_on(bench: WorkerBench) -> None:
    """The event of a task carries what the caller said, and so do those of the tasks that it sends."""
    with context(**WHO):
        sent = bench.send("telemetry_app.ask", 2)
    assert sent.get(timeout=PATIENCE) == 2
    calls = bench.wait_for_events(wire.LLM_CALL, 3)
    assert [{name: each.data[name] for name in WHO} for each in calls] == [WHO] * 3
    assert len({each.data["task_id"] for each in calls}) == 3
    assert sent.id in {each.data["task_id"] for each in calls}


@pytest.mark.slow
def test_spans_nest_over_messages(bench: WorkerBench) -> None:
    """The span of a task that another one sent names that one's span as its parent, in one trace."""
    bench.send("telemetry_app.ask", 1).get(timeout=PATIENCE)
    spans = {each.data["attributes"]["depth"]: each.data for each in bench.wait_for_events(wire.SPAN_ENDED, 2)}
    assert spans[1]["parent_span_id"] is None
    assert spans[0]["parent_span_id"] == spans[1]["span_id"]
    assert spans[0]["trace_id"] == spans[1]["trace_id"]


@pytest.mark.slow
def test_nothing_of_one_run_is_known_in_the_next(bench: WorkerBench) -> None:
    """The same process runs a task with a context, then many without: those know nobody."""
    with context(**WHO):
        bench.send("telemetry_app.ask", 0).get(timeout=PATIENCE)
    for _ in range(4):
        bench.send("telemetry_app.ask", 0).get(timeout=PATIENCE)
    calls = bench.wait_for_events(wire.LLM_CALL, 5)
    assert sorted(each.data["user_id"] or "" for each in calls) == ["", "", "", "", "ann"]


def test_a_redrive_knows_what_the_first_run_knew(bench: WorkerBench) -> None:
    """The failed message is published again with all its headers: its context comes with it."""
    with context(**WHO):
        bench.send("telemetry_app.fail_then_ask")
    (failure,) = bench.wait_for_events(wire.TASK_FAILED, 1)
    republish(bench.broker, failure.data["message"], new_id())
    (call,) = bench.wait_for_events(wire.LLM_CALL, 1)
    assert {name: call.data[name] for name in WHO} == WHO


@pytest.mark.slow
def test_what_is_refused_fails_no_other_task(bench: WorkerBench) -> None:
    """A call with NaN, with 5 MB, with an unknown key: each error names the field, and the worker goes on."""
    said = bench.send("telemetry_app.misuse").get(timeout=PATIENCE)
    assert [each.split("`")[1] for each in said[:2]] == ["duration_seconds", "user_id"]
    assert "got usr_id" in said[2]
    assert bench.send("telemetry_app.ask", 0).get(timeout=PATIENCE) == 0


def test_a_dead_bus_keeps_no_call_waiting_and_loses_no_cost(tmp_path: Path) -> None:
    """Without a bus the events wait on disk, and leave with the next worker."""
    missing = tmp_path / "not yet"
    bench = WorkerBench(
        tmp_path, f"redrive+sqlite:///{tmp_path}/broker.sqlite", f"redrive+sqlite:///{missing}/bus.sqlite",
        app="tests.integration.telemetry_app",
    )  # fmt: skip
    with bench:
        assert [bench.send("telemetry_app.ask", 0).get(timeout=PATIENCE) for _ in range(5)] == [0] * 5
        bench.stop()
        missing.mkdir()
        bench.start()
        assert len(bench.wait_for_events(wire.LLM_CALL, 5)) == 5


@pytest.mark.slow
def test_the_parent_says_what_its_children_lost(tmp_path: Path) -> None:
    """Without bus and without room on disk, the worker's own log says how much was lost, in its parent's voice."""
    (tmp_path / "spool").write_text("no folder")
    bus = f"redrive+sqlite:///{tmp_path}/not there/bus.sqlite"
    bench = WorkerBench(
        tmp_path, f"redrive+sqlite:///{tmp_path}/broker.sqlite", bus, app="tests.integration.telemetry_app"
    )
    with bench:
        bench.send("telemetry_app.ask", 0).get(timeout=PATIENCE)
        line = bench.wait_for(lambda: next((each for each in bench.log.splitlines() if "event.dropped" in each), None))
    assert "MainProcess" in line
