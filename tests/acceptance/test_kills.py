"""SIGKILL of the orchestrator between every two steps: whatever was half done is done after the restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.failpoints import RECOVERING, fired
from tests.acceptance.test_decisions import WORKFLOWS, decide_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.field import Field

TASKS = ("a", "b", "c", "d", "e")
# A cron expression has a time in each minute.
SECONDS = 130.0


# By default the place where a crash could send twice; every place with what is slow.
QUICK = ("task_published",)


@pytest.mark.parametrize(
    ("workflow", "place"),
    [
        (workflow, each)
        if workflow == "retry" and each in QUICK
        else pytest.param(workflow, each, marks=pytest.mark.slow)
        for workflow in WORKFLOWS
        for each in RECOVERING
    ],
)
def test_a_kill_loses_nothing(
    make_field: Callable[..., Field],
    packs: Path,
    workflow: str,
    place: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Killed at a named place and started again, the orchestrator ends the incident, and each task succeeds."""
    decide_by(packs, workflow)
    armed = {"REDRIVE_FAILPOINT": place, "REDRIVE_FAILPOINT_LOG": str(packs.parent / "fired.txt")}
    field = make_field(environ=armed, packs=packs)
    results = field.send("fragile", *TASKS)
    field.until("the kill", lambda: not field.stack.child("orchestrator").alive, SECONDS)
    assert fired(field.folder / "fired.txt") == [place]
    del field.stack.environ["REDRIVE_FAILPOINT"]
    field.stack.start_orchestrator()
    field.until("every incident to recover", lambda: _all_recovered(field), SECONDS)
    assert {each["plan"]["name"] for each in field.incidents()} == {workflow}
    assert sorted(result.get(timeout=10) for result in results) == sorted(TASKS)
    duplicates = sum(field.runs().values()) - 2 * len(TASKS)
    record_property("duplicate_runs", duplicates)
    print(f"killed at {place}: {duplicates} duplicate runs")  # noqa: T201 - a measured figure, for whoever runs it with -s
    assert 0 <= duplicates <= len(TASKS)


def _all_recovered(field: Field) -> bool:
    incidents = field.incidents()
    return sum(each["size"] for each in incidents) == len(TASKS) and all(
        each["state"] == "recovered" and all(one["outcome"] for one in each["releases"]) for each in incidents
    )
