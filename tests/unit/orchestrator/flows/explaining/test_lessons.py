"""What postmortems say was missing and is left to do: of the incident's own time, and of nothing after its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from orchestrator.domain.commands import Command, CommandKind
from orchestrator.domain.dependencies import Dependency, Health
from orchestrator.domain.incidents import IncidentState
from orchestrator.flows.explaining.known import Known
from orchestrator.flows.explaining.postmortem import postmortem_of
from tests.recovery import NOON, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.domain.postmortem import Postmortem

MINUTE = timedelta(seconds=60)


@pytest.fixture
def scene() -> Scene:
    """A scene with one incident of three failures."""
    made = Scene()
    made.take_in(*map(failed_event, range(3)))
    return made


def written(scene: Scene) -> Postmortem:
    """Write the postmortem of the newest incident."""
    with scene.ledger.reading() as tx:
        return postmortem_of(tx, scene.incident, Known(scene.now), None)


def close(scene: Scene) -> None:
    """Let the incident be over now."""
    with scene.ledger.transaction() as tx:
        tx.save_incident(replace(scene.incident, state=IncidentState.RECOVERED, closed_at=scene.now))


def hold(scene: Scene, at: datetime, reason: str, kind: CommandKind = CommandKind.HOLD) -> None:
    """Let a person hold the dependency, or release it."""
    with scene.ledger.transaction() as tx:
        tx.add_command(Command(uuid4(), "ann", reason, at, kind, dependency="model"))


def became(scene: Scene, health: Health, at: datetime) -> None:
    """Let the dependency be as it is since then."""
    with scene.ledger.transaction() as tx:
        known = tx.dependency("model") or Dependency("model")
        tx.save_dependency(replace(known, health=health, why="5 of 5 runs failed lately", since=at))


def test_what_comes_after_the_end_is_another_incident_s_story(scene: Scene) -> None:
    """The postmortem of what is over stays as it is: later holds and a later outage are not told, nor followed up."""
    hold(scene, NOON + MINUTE, "the provider says wait")
    became(scene, Health.HEALTHY, NOON + 2 * MINUTE)
    scene.later(180)
    close(scene)
    before = written(scene)
    told = [(each.what, each.text) for each in before.timeline if each.what.startswith("dependency")]
    assert told == [
        ("dependency.held", "model was held by ann: the provider says wait"),
        ("dependency.changed", "model is healthy again: 5 of 5 runs failed lately"),
    ]
    for number in range(60):
        hold(scene, scene.now + (1 + number) * MINUTE, "another night", list(CommandKind)[number % 2])
        hold(scene, scene.now + (1 + number) * MINUTE, "another night")
    scene.later(7200)
    after = written(scene)
    assert (after.timeline, after.decisions, after.gaps) == (before.timeline, before.decisions, before.gaps)
    became(scene, Health.DOWN, scene.now)
    after = written(scene)
    assert [each.text for each in after.timeline if each.what == "dependency.changed"] == []
    assert not any("model is down" in each for each in after.follow_ups)
    assert any("how model was before 2025-11-20 12:03:00Z is not kept here" in each for each in after.gaps)


def test_what_is_not_kept_of_the_dependency_is_a_gap(scene: Scene) -> None:
    """Only its present health is: an outage that is over is named as missing, with where it is recorded."""
    became(scene, Health.HEALTHY, NOON - MINUTE)
    assert not any("is not kept here" in each for each in written(scene).gaps)
    became(scene, Health.HEALTHY, NOON + MINUTE)
    (gap,) = (each for each in written(scene).gaps if "is not kept here" in each)
    assert gap == (
        "how model was before 2025-11-20 12:01:00Z is not kept here, only since when it is as it is now: the events "
        "redrive.dependency.changed.v1 in the warehouse have it"
    )


def test_redrives_are_no_silence(scene: Scene) -> None:
    """Every canary breaks it, not the first one alone; from five minutes without any on it is told."""
    scene.plan()
    scene.release()
    for _ in range(4):
        scene.later(200)
        scene.answer(scene.release(), "failed")
    assert not any("without a step or a redrive" in each for each in written(scene).gaps)
    scene.later(400)
    (told,) = (each for each in written(scene).gaps if "without a step or a redrive" in each)
    assert "6 min 40 s" in told
