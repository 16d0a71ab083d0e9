"""What task() shows of a task: the outcome of its latest run, item by item where it has items."""

from __future__ import annotations

from typing import Any

from orchestrator.stackstorm.embedded.orquesta.state import Run
from orchestrator.stackstorm.embedded.task_views import task_view

STARTED, ENDED = "2026-11-28T10:00:00.000001Z", "2026-11-28T10:00:01.500000Z"


def child(task: str, execution: str, result: int | str, item: int | None = None) -> dict[str, Any]:
    """Make an action execution of a task."""
    orquesta = {"task_id": task, "task_route": 0} | ({} if item is None else {"item_id": item})
    return {
        "context": {"orquesta": orquesta},
        "task_execution": execution,
        "status": "succeeded",
        "result": result,
        "start_timestamp": STARTED,
        "end_timestamp": ENDED,
    }


def test_the_latest_run_counts() -> None:
    """A task that ran twice shows its second result, with the times as Python writes them."""
    shown = task_view(
        "w", Run("a", 0, [0], status="succeeded"), [child("a", "1", 1), child("b", "x", 0), child("a", "2", 2)]
    )
    assert (shown["result"], shown["task_execution_id"], shown["status"]) == (2, "2", "succeeded")
    assert shown["end_timestamp"] == "2026-11-28 10:00:01.500000+00:00"


def test_items_are_shown_in_their_order_with_their_statuses() -> None:
    """Whatever order they ended in."""
    shown = task_view("w", Run("a", 0, [0]), [child("a", "1", "second", 1), child("a", "1", "first", 0)])
    assert shown["result"] == {
        "items": [{"status": "succeeded", "result": "first"}, {"status": "succeeded", "result": "second"}]
    }


def test_a_task_without_an_action_has_an_empty_result() -> None:
    """Nothing ran for it."""
    shown = task_view("w", Run("a", 0, [0], status="succeeded"), [])
    assert (shown["result"], shown["end_timestamp"]) == ({}, "None")
