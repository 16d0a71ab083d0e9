"""Stories and postmortems read from each database: the same rows tell the same, whatever is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.commands import Command
from orchestrator.flows.explaining.finding import story_of
from orchestrator.flows.explaining.known import Known
from orchestrator.flows.explaining.page import page
from orchestrator.flows.explaining.postmortem import postmortem_of, tasks_asked_about
from tests.recovery import NOON, attempt, dispatch, failure, filed, release

if TYPE_CHECKING:
    from orchestrator.ledger.sql import SqlLedger

KNOWN = Known(NOON + timedelta(minutes=5))
NOBODY_S = "00000000-0000-4000-8000-000000000000"


def test_a_story_is_told_from_the_rows(ledger: SqlLedger) -> None:
    """Of the task, the failure, the redrive, the release, the command: the same failure, the same incident."""
    made = filed(ledger, failure(0), failure(1))
    within, command = release(made.id), Command(uuid4(), "ann", "looked", NOON, incident_id=made.id)
    with ledger.transaction() as tx:
        tx.add_dispatch(dispatch(made.id))
        tx.add_release(within)
        tx.add_command(command)
        out = attempt(failure(0), within)
        tx.add_attempt(out)
        tx.save_attempt(replace(out, state=AttemptState.FAILED, ended_at=NOON + timedelta(seconds=3), reason="503"))
    with ledger.reading() as tx:
        told = {each: story_of(tx, str(each), KNOWN) for each in ("t0", failure(0).id, out.id)}
        of_all = {each: story_of(tx, str(each), KNOWN) for each in (made.id, within.id, command.id)}
    assert all(told.values())
    assert all(of_all.values())
    assert len({story.steps for story in told.values() if story}) == 1
    assert len({story.steps for story in of_all.values() if story}) == 1
    whats = [step.what for story in (told["t0"],) if story for step in story.steps]
    assert whats == [
        "task.published", "run.failed", "failure.classified", "incident.opened", "trigger.queued", "command.retry",
        "release.started", "attempt.recorded", "attempt.ended",
    ]  # fmt: skip


@pytest.mark.parametrize("named", ["", "no such", "x" * 5_000, "\U0001f4a9", "'; DROP TABLE failures; --", NOBODY_S])
def test_what_is_not_known_has_no_story(ledger: SqlLedger, named: str) -> None:
    """Whatever is asked for."""
    with ledger.reading() as tx:
        assert story_of(tx, named, KNOWN) is None


def test_a_postmortem_is_written_from_the_rows(ledger: SqlLedger) -> None:
    """Its page has the figures; its tasks are asked about once each."""
    made = filed(ledger, failure(0), failure(1), failure(2, task_id="t0"))
    with ledger.reading() as tx:
        assert tasks_asked_about(tx, made) == ["t0", "t1"]
        found = postmortem_of(tx, made, KNOWN, None)
    assert (found.failures.recorded, found.failures.tasks, found.seconds) == (3, 2, 300.0)
    assert "2 tasks in 3 failures so far (3 held)" in page(found)
