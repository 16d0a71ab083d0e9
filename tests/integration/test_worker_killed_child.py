"""A pool child that is killed while it runs a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventbus.wire import TASK_FAILED
from tests.integration.worker_harness import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLS = 5


def test_a_killed_child_is_reported_once_and_its_message_whole(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each killed child gives one failure of the task it ran, soon; how soon is printed and kept with the results."""
    waits: list[float] = []
    with WorkerBench(tmp_path, f"redrive+sqlite:///{tmp_path / 'bus.sqlite'}") as bench:
        for kill in range(1, KILLS + 1):
            task = bench.send("worker_app.die")
            failure = bench.wait_for_events(TASK_FAILED, kill)[-1]
            assert failure.data["task_id"] == task.id
            assert failure.data["exception"]["type"].endswith("WorkerLostError")
            assert failure.data["message"]["body"]
            waits.append(failure.time.timestamp() - float(bench.runs[-1].split()[1]))
        assert len(bench.events(TASK_FAILED)) == KILLS
    record_property("seconds_to_report", waits)
    print("reported after", ", ".join(f"{wait:.2f} s" for wait in waits))  # noqa: T201 - a measured figure, for whoever runs it with -s
