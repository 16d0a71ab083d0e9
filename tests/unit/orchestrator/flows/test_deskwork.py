"""What a person changes of an incident: who has it, how bad it is, its end; each once and audited, none on old news."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from orchestrator.domain.auditing import AuditQuery
from orchestrator.domain.errors import Conflict, Invalid, NotFound, Outdated
from orchestrator.domain.incidents import IncidentState, Severity
from orchestrator.flows.auditing import changes_since
from orchestrator.flows.deskwork import IncidentUpdate, Updated, foreseen, update_incident
from orchestrator.flows.verifying import verify
from tests.recovery import NOON, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from typing import Any
    from uuid import UUID

    from orchestrator.domain.auditing import AuditEntry

DECLARED = {"dependency": "model", "idempotent": True}


def scene_of(size: int = 3) -> Scene:
    """Let an incident of so many failures be open."""
    scene = Scene()
    scene.take_in(*(failed_event(number, declaration=DECLARED) for number in range(size)))
    return scene


def asked(actor: str = "ann", revision: int | None = None, **wanted: Any) -> IncidentUpdate:
    """Make what a person asks for."""
    return IncidentUpdate(uuid4(), actor, "why", NOON, wanted, revision)


def update(scene: Scene, wanted: IncidentUpdate, incident_id: UUID | None = None) -> Updated:
    """Change the scene's incident."""
    with scene.ledger.transaction() as tx:
        return update_incident(tx, incident_id or scene.incident.id, wanted)


def entries(scene: Scene) -> list[AuditEntry]:
    """Give the audit, oldest first."""
    with scene.ledger.reading() as tx:
        return tx.audit_from(0, 100)


def out(scene: Scene) -> UUID:
    """Plan the incident, and let its canary go."""
    scene.plan()
    scene.release()
    scene.later(10)
    (canary,) = scene.release()
    return canary


def test_what_a_person_says_is_what_the_incident_has() -> None:
    """Owner, severity, acknowledgement and snooze at once: one revision, one entry with before and after."""
    scene = scene_of()
    until = NOON + timedelta(hours=8)
    found = update(scene, asked(owner="bob", severity=Severity.CRITICAL, acknowledge=True, snooze_until=until))
    incident = scene.incident
    assert incident == found.after
    assert (incident.owner, incident.severity, incident.revision) == ("bob", Severity.CRITICAL, 2)
    assert (incident.acknowledged_by, incident.acknowledged_at, incident.snoozed_until) == ("ann", NOON, until)
    (entry,) = entries(scene)
    assert (entry.verb, entry.actor, entry.reason, entry.revision) == ("update", "ann", "why", 2)
    assert entry.before == {
        "owner": None, "severity": "error", "acknowledged_by": None, "acknowledged_at": None, "snoozed_until": None,
    }  # fmt: skip
    assert entry.after["snoozed_until"] == until.isoformat()
    assert scene.outbox()[-2:] == ["redrive.audit.recorded.v1", "redrive.command.recorded.v1"]


def test_what_is_not_said_stays_and_null_takes_away() -> None:
    """An update of the owner leaves the snooze alone; null ends it."""
    scene = scene_of()
    until = NOON + timedelta(hours=1)
    update(scene, asked(snooze_until=until))
    update(scene, asked(owner="bob"))
    assert (scene.incident.owner, scene.incident.snoozed_until) == ("bob", until)
    update(scene, asked(owner=None, snooze_until=None))
    assert (scene.incident.owner, scene.incident.snoozed_until) == (None, None)


def test_to_say_it_twice_changes_nothing() -> None:
    """The same person acknowledging again leaves revision, time and audit as they were; another one takes it over."""
    scene = scene_of()
    first = update(scene, asked(acknowledge=True))
    again = update(scene, replace(asked(acknowledge=True), at=NOON + timedelta(minutes=5)))
    assert (first.changed, again.changed) == (True, False)
    assert scene.incident == first.after
    assert [each.verb for each in entries(scene)] == ["acknowledge"]
    update(scene, asked("bob", acknowledge=True))
    assert (scene.incident.acknowledged_by, scene.incident.revision) == ("bob", 3)


@pytest.mark.parametrize("distance", [timedelta(0), timedelta(seconds=-1), timedelta(days=30, seconds=1)])
def test_a_snooze_lies_ahead_and_ends_within_a_month(distance: timedelta) -> None:
    """One that is over, or too long, is refused with what was expected."""
    scene = scene_of()
    with pytest.raises(Invalid, match=r"expected a time after .* 30 days at most"):
        update(scene, asked(snooze_until=NOON + distance))
    assert entries(scene) == []


def test_an_update_on_old_news_is_told_what_changed() -> None:
    """With a revision that is not the present one nothing happens, and the refusal tells each change, newest first."""
    scene = scene_of()
    seen = scene.incident.revision
    update(scene, asked("bob", owner="bob"))
    update(scene, asked("cy", severity=Severity.WARNING))
    with pytest.raises(Outdated, match="cy changed it last: update, why") as refused:
        update(scene, asked(revision=seen, owner="ann"))
    assert refused.value.revision == scene.incident.revision == 3
    assert [(each["actor"], each["revision"]) for each in refused.value.changes] == [("cy", 3), ("bob", 2)]
    assert refused.value.changes[0]["after"] == {"severity": "warning"}
    with scene.ledger.reading() as tx:
        assert changes_since(tx, scene.incident.id, 2) == refused.value.changes[:1]
    assert update(scene, asked(revision=3, owner="ann")).changed


def test_of_two_at_once_one_wins() -> None:
    """Two threads with the same revision: one changes the incident, the other learns what changed."""
    scene = scene_of()
    seen, won, lost = scene.incident.revision, list[str](), list[Outdated]()

    def one(name: str) -> None:
        try:
            update(scene, asked(name, revision=seen, owner=name))
            won.append(name)
        except Outdated as error:
            lost.append(error)

    threads = [Thread(target=one, args=(name,)) for name in ("ann", "bob", "cy")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1
    assert scene.incident.owner == won[0]
    assert [error.changes[0]["actor"] for error in lost] == won * 2


def test_a_discarded_incident_is_over() -> None:
    """All its failures are discarded by a name, with a reason; it is closed, told, and its releases have ended."""
    scene = scene_of()
    scene.answer([out(scene)], "failed")
    with scene.ledger.reading() as tx:
        expected = foreseen(tx, scene.incident.id, asked(discard=True)).told()
    found = update(scene, asked(discard=True))
    assert found.told() == expected
    incident = scene.incident
    assert (incident.state, incident.note) == (IncidentState.DISCARDED, "discarded by ann: why")
    assert incident.closed_at == NOON
    assert {(each.state, each.reason) for each in scene.failures} == {("discarded", "discarded by ann: why")}
    assert [each.ended for each in scene.releases] == [True]
    assert scene.outbox().count("redrive.incident.closed.v1") == 1
    assert scene.outbox().count("redrive.release.ended.v1") == 1
    entry = entries(scene)[-1]
    assert (entry.verb, entry.before["failures"]) == ("discard", {"held": 3})
    assert entry.after["failures"] == {"discarded": 3}
    scene.later(10_000)
    assert scene.release() == []


def test_to_discard_again_changes_nothing() -> None:
    """A second word about an incident that was given up is no second entry; any other change is refused."""
    scene = scene_of()
    incident = scene.incident.id
    update(scene, asked(discard=True), incident)
    assert not update(scene, asked("bob", discard=True), incident).changed
    with pytest.raises(Conflict, match="got one that is discarded"):
        update(scene, asked(owner="bob"), incident)
    assert len(entries(scene)) == 1


def test_what_is_in_flight_is_not_discarded() -> None:
    """While redrives are out the incident stays, and the refusal says how many, and what to do."""
    scene = scene_of()
    out(scene)
    with pytest.raises(Conflict, match="1 redrives out; hold it"):
        update(scene, asked(discard=True))
    assert scene.incident.state is IncidentState.PLANNED


def test_a_plan_that_was_asked_for_before_a_person_s_change_is_still_taken() -> None:
    """An owner answers no question of the rules: the plan decided before it is in time."""
    scene = scene_of()
    asked_on = scene.incident.revision
    update(scene, asked(owner="bob"))
    planned = scene.plan(execution_id="e-2")
    assert (planned.state, planned.owner) == (IncidentState.PLANNED, "bob")
    assert planned.revision > asked_on + 1


def test_nobody_s_incident() -> None:
    """An id that nobody knows is refused."""
    scene = scene_of()
    with pytest.raises(NotFound):
        update(scene, asked(owner="x"), uuid4())


def test_all_of_it_is_one_chain() -> None:
    """Plans, updates and discards follow each other; whoever walks the chain finds it whole."""
    scene = scene_of()
    scene.plan()
    update(scene, asked(owner="bob"))
    update(scene, asked(discard=True))
    with scene.ledger.reading() as tx:
        found = tx.audited(AuditQuery(incident_id=scene.incident.id), 10)
    assert [(each.verb, each.origin) for each in found] == [
        ("discard", "person"), ("update", "person"), ("plan", "rule"),
    ]  # fmt: skip
    assert (found[-1].execution_id, found[-1].after["plan"]["name"]) == ("e-1", "retry")
    assert verify(scene.ledger).entries == 3
