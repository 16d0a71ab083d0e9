"""The desk of alerts: acknowledged for all its incidents, or escalated on somebody's word, each a command."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from orchestrator.domain.auditing import AuditQuery
from orchestrator.domain.commands import CommandKind
from orchestrator.domain.errors import Conflict, NotFound
from orchestrator.domain.incidents import Severity
from orchestrator.domain.ladders import Ladder, Level, Rule, Watch
from orchestrator.domain.plan import Plan, PlanName
from orchestrator.flows.alert_desk import Asked, Word, acknowledge_alert, escalate
from tests import recovery
from tests.alerting import LADDER, NIGHT, WATCH, Desk

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.alerts import Alert
    from orchestrator.domain.commands import Command


def word(desk: Desk) -> Word:
    """Say something as ann, now."""
    return Word("ann", "on it", desk.now, uuid4)


def escalated(desk: Desk, incident_id: UUID, **asked: object) -> tuple[Alert, Command]:
    """Escalate an incident."""
    with desk.ledger.transaction() as tx:
        return escalate(tx, incident_id, Asked(**asked), word(desk), desk.watch)  # type: ignore[arg-type]


def test_acknowledging_an_alert_acknowledges_each_of_its_open_incidents() -> None:
    """Each is a command with before and after, and the ladder stops; a second time there is nothing to know."""
    desk = Desk()
    opened = [desk.open(signature=f"s{number}") for number in range(3)]
    desk.look()
    desk.close(opened[0].id)
    with desk.ledger.transaction() as tx:
        (alert,) = tx.alerts([], 10)
        commands = acknowledge_alert(tx, alert.id, word(desk)).commands
    assert {each.incident_id for each in commands} == {each.id for each in opened[1:]}
    assert {each.kind for each in commands} == {CommandKind.ACKNOWLEDGE}
    assert (commands[0].before["acknowledged_by"], commands[0].after["acknowledged_by"]) == (None, "ann")
    desk.look(7200)
    assert [action for action, _, _ in desk.steps()] == ["trigger", "acknowledge"]
    with desk.ledger.transaction() as tx, pytest.raises(Conflict, match="acknowledged by ann"):
        acknowledge_alert(tx, alert.id, word(desk))
    with desk.ledger.transaction() as tx, pytest.raises(NotFound):
        acknowledge_alert(tx, uuid4(), word(desk))


def test_escalating_tells_the_next_level_now() -> None:
    """Whatever the conditions say, and though somebody had acknowledged and slept on it: that is taken back."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    desk.change(incident.id, acknowledged_by="bo", acknowledged_at=desk.now, snoozed_until=desk.now)
    desk.look(1)
    _, command = escalated(desk, incident.id, severity=Severity.CRITICAL, execution_id="e-1")
    desk.look(1)
    assert desk.steps()[-1] == ("trigger", 2, ["pager"])
    assert desk.told()[-1]["severity"] == "critical"
    assert (command.kind, command.before["acknowledged_by"]) == (CommandKind.ESCALATE, "bo")
    assert (
        command.after.items() >= {"acknowledged_by": None, "ladder": "night", "level": 2, "execution_id": "e-1"}.items()
    )


@pytest.mark.parametrize(
    ("execution", "told"), [("e-1", ("rule", "e-1", "redrive.escalate")), (None, ("person", None, None))]
)
def test_the_audit_tells_a_workflow_s_escalation_from_a_person_s(
    execution: str | None, told: tuple[str | None, ...]
) -> None:
    """Who names an execution speaks for a rule, and the audit has both names."""
    desk = Desk()
    incident = desk.open()
    asked = recovery.dispatch(incident.id, rules=("redrive.escalate",), execution_ids=("e-1",))
    with desk.ledger.transaction() as tx:
        tx.add_dispatch(asked)
    escalated(desk, incident.id, execution_id=execution)
    with desk.ledger.reading() as tx:
        (entry,) = tx.audited(AuditQuery(verb="escalate"), 10)
    assert (str(entry.origin), entry.execution_id, entry.rule) == told


def test_escalating_by_name_tells_that_level_and_those_passed_over() -> None:
    """Whoever stands between is told too."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    escalated(desk, incident.id, level="boss")
    desk.look(1)
    assert desk.steps()[-1] == ("trigger", 3, ["pager", "mail"])
    with pytest.raises(Conflict, match="told 3 of 3 levels"):
        escalated(desk, incident.id)


def test_another_ladder_begins_at_its_first_level() -> None:
    """A workflow may name it, also for an incident of which nobody was to be told."""
    other = Ladder("day", (Level("desk", ("mail",), after=86_400),))
    watch = replace(WATCH, ladders={"night": LADDER, "day": other}, rules=(Rule(None, task="quiet.*"),))
    desk = Desk(watch)
    quiet, loud = desk.open(task="quiet.one", dependency=None), desk.open()
    desk.look()
    assert [each["task"] for each in desk.told()] == ["app.call"]
    for each in (quiet, loud):
        escalated(desk, each.id, ladder="day")
    desk.look(1)
    assert desk.steps()[1:] == [("trigger", 1, ["mail"])] * 2


def test_a_workflow_that_plans_to_escalate_and_then_wakes_somebody_has_one_level_told() -> None:
    """Its plan has the first level told at once; its call a second later is the same word, a later one is not."""
    ladder = Ladder("night", (replace(LADDER.levels[0], after=3_600), *LADDER.levels[1:]))
    desk = Desk(replace(WATCH, ladders={"night": ladder}))
    incident = desk.open()
    desk.look()
    assert desk.told() == []
    desk.change(incident.id, plan=Plan(PlanName.ESCALATE, "who knows", execution_id="e-1"))
    desk.look(1)
    escalated(desk, incident.id, execution_id="e-1")
    desk.look(1)
    assert desk.steps() == [("trigger", 1, ["slack"])]
    escalated(desk, incident.id, execution_id="e-2")
    desk.look(1)
    assert desk.steps()[-1] == ("trigger", 2, ["pager"])


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"ladder": "noon"}, "expected a ladder of the settings"),
        ({"level": "noon"}, "expected a level of the ladder night"),
        ({"level": "chat"}, "expected a level that was not told yet"),
    ],
)
def test_what_cannot_be_told_is_refused(asked: dict[str, str], why: str) -> None:
    """With what there is instead."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    with pytest.raises(Conflict, match=why):
        escalated(desk, incident.id, **asked)


def test_nothing_is_escalated_where_nobody_could_be_told() -> None:
    """No ladder, an incident that is over, one that is not known."""
    desk = Desk(Watch())
    incident = desk.open()
    with pytest.raises(Conflict, match="name it in"):
        escalated(desk, incident.id)
    desk = Desk()
    incident = desk.open()
    desk.close(incident.id)
    with pytest.raises(Conflict, match="expected an incident that is open"):
        escalated(desk, incident.id)
    with pytest.raises(NotFound):
        escalated(desk, uuid4())


def test_what_the_failed_calls_cost_reaches_a_level_once_it_is_known() -> None:
    """A sample's cost stands for the whole incident; while no price is known nothing is reached by it."""
    ladder = Ladder("night", (Level("money", ("mail",), money=Decimal(50)),))
    desk = Desk(replace(WATCH, ladders={"night": ladder}))
    incident = recovery.filed(desk.ledger, *[recovery.failure(number) for number in range(4)], opened_at=NIGHT)
    asked: list[tuple[int, float]] = []
    known: list[Decimal] = []

    def cost(tasks: object, since: object) -> Decimal | None:
        asked.append((len(list(tasks)), (NIGHT - since).total_seconds()))  # type: ignore[call-overload, operator]
        return known[0] if known else None

    desk.escalating.cost = cost  # type: ignore[assignment]
    desk.look()
    assert (asked[-1], desk.told()) == ((4, 86_400.0), [])
    known.append(Decimal("0.4"))
    desk.change(incident.id, size=499)
    desk.look(60)
    assert desk.told() == []
    desk.change(incident.id, size=500)
    desk.look(60)
    assert [(each["action"], each["usd_cost"]) for each in desk.told()] == [("trigger", "50.0000")]
    assert "level money: USD 50.0000" in desk.told()[0]["text"]


DEAR = Ladder("night", (Level("now", ("slack",)), Level("dear", ("pager",), money=Decimal(50))))


def test_people_are_told_before_the_warehouse_is_asked_and_a_storm_asks_once() -> None:
    """A warehouse that takes its time delays no page; however large the storm, it is asked once a minute."""
    desk = Desk(replace(WATCH, ladders={"night": DEAR}))
    told: list[int] = []
    for number in range(20):
        failed = [recovery.failure(100 * number + each) for each in range(30)]
        recovery.filed(desk.ledger, *failed, opened_at=NIGHT, signature=f"s{number}")

    def cost(tasks: object, _since: object) -> Decimal:
        told.append(len(desk.told()))
        assert len(list(tasks)) <= 200  # type: ignore[call-overload]
        return Decimal(20)

    desk.escalating.cost = cost  # type: ignore[assignment]
    desk.look(1)
    assert told == [1]
    assert desk.steps()[-1] == ("trigger", 2, ["pager"])
    desk.look(30)
    assert told == [1]
    desk.look(60)
    assert len(told) == 2


def test_a_large_storm_is_acknowledged_by_one_command() -> None:
    """Each incident is known and has another revision; the command says of which alert, and how many they are."""
    desk = Desk()
    opened = [desk.open(signature=f"s{number}") for number in range(101)]
    desk.look()
    with desk.ledger.transaction() as tx:
        known = acknowledge_alert(tx, tx.alerts([], 1)[0].id, word(desk))
        kept = [tx.incident(each.id) for each in opened]
        audited = tx.audited(AuditQuery(verb="acknowledge"), 10)
    assert sorted(known.incident_ids) == sorted(each.id for each in opened)
    assert {(each.acknowledged_by, each.acknowledged_at, each.revision) for each in kept if each} == {
        ("ann", desk.now, opened[0].revision + 1)
    }
    (command,) = known.commands
    assert command.after.items() >= {"alert_id": str(known.alert.id), "incidents": 101}.items()
    assert [entry.after["incidents"] for entry in audited] == [101]
    desk.look(3_600)
    assert [action for action, _, _ in desk.steps()][-1] == "acknowledge"
