"""Taking up: an incident gets the alert that tells of it, one of its own or that of a storm, by the rule that fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from orchestrator.domain.failures import Kind
from orchestrator.domain.incidents import Severity
from orchestrator.domain.ladders import Ladder, Level, Rule
from orchestrator.flows.alert_desk import Asked, Word, escalate
from orchestrator.flows.escalating import Escalating
from orchestrator.flows.taking_up import take_up
from tests.alerting import LADDER, NIGHT, WATCH, Desk

NOBODY = replace(WATCH, rules=(Rule(None, kind=Kind.TRANSIENT),))


def triggers(desk: Desk) -> list[int]:
    """Give the levels that were told."""
    return [level for action, level, _ in desk.steps() if action == "trigger"]


def test_a_storm_of_fifty_incidents_of_one_dependency_is_one_alert() -> None:
    """It names how many and the largest, and is resolved when all are over."""
    desk = Desk()
    opened = []
    for number in range(50):
        opened.append(desk.open(signature=f"task {number}", size=number + 1))
        if number % 5 == 0:
            desk.look(1)
    desk.look(60)
    triggers = [each for each in desk.told() if each["action"] == "trigger"]
    assert [each["level"] for each in triggers] == [1, 2]
    assert len({each["alert_id"] for each in desk.told()}) == 1
    last = desk.told()[-1]
    assert (last["incidents"], last["size"], last["incident_id"]) == (46, 1081, str(opened[45].id))
    assert last["title"] == "[ERROR] model: 46 incidents, 1,081 failures"
    for each in opened[:-1]:
        desk.close(each.id)
    desk.look(60)
    assert "resolve" not in [action for action, _, _ in desk.steps()]
    desk.close(opened[-1].id)
    desk.look(60)
    assert [action for action, _, _ in desk.steps()].count("resolve") == 1
    assert desk.told()[-1]["targets"] == ["slack", "pager"]
    assert "all 50 incidents are over" in desk.told()[-1]["text"]


def test_incidents_of_other_dependencies_and_of_none_have_alerts_of_their_own() -> None:
    """Only what leans on the same thing is one storm."""
    desk = Desk()
    for dependency in ("model", "mail", None, None):
        desk.open(dependency=dependency, signature=f"{dependency} {len(desk.told())}")
        desk.look()
    assert len({each["alert_id"] for each in desk.told()}) == 4


def test_many_incidents_without_a_dependency_share_an_alert_from_the_sixth_on() -> None:
    """A bad release breaks a hundred tasks at once: five are told by themselves, all others as one storm."""
    desk = Desk()
    for number in range(100):
        desk.open(dependency=None, signature=f"task {number}")
    desk.look()
    triggers = [each for each in desk.told() if each["action"] == "trigger"]
    assert sorted(each["incidents"] for each in triggers) == [1, 1, 1, 1, 96]
    desk.now += timedelta(seconds=61)
    desk.open(dependency=None, signature="much later")
    desk.look()
    assert [each["incidents"] for each in desk.told() if each["action"] == "trigger"][-1] == 1


def test_incidents_that_are_old_when_alerts_are_set_up_begin_at_the_first_level() -> None:
    """A ladder that was only just written tells of what was open for days by its first level, and in storms."""
    desk = Desk()
    for number in range(20):
        desk.open(signature=f"task {number}")
    desk.look(86_400)
    assert desk.steps() == [("trigger", 1, ["slack"])]
    desk.look(599)
    assert desk.steps() == [("trigger", 1, ["slack"])]
    desk.look(2)
    assert desk.steps()[-1] == ("trigger", 2, ["pager"])


def test_one_more_incident_of_an_acknowledged_storm_has_the_ladder_climb_on() -> None:
    """Nobody has answered for what came later; what was told already is not told again."""
    desk = Desk()
    first = desk.open()
    desk.look()
    desk.change(first.id, acknowledged_by="ann", acknowledged_at=desk.now)
    desk.look(20)
    desk.open(signature="another")
    desk.look(20)
    desk.look(599)
    assert [action for action, _, _ in desk.steps() if action == "trigger"] == ["trigger"]
    desk.look(60)
    assert desk.steps()[-1] == ("trigger", 2, ["pager"])


def test_rules_choose_the_ladder_and_the_severity() -> None:
    """The first rule that fits decides; one without a ladder has nobody told."""
    other = Ladder("day", (Level("desk", ("mail",)),))
    rules = (
        Rule("day", task="billing.*", severity=Severity.CRITICAL),
        Rule(None, dependency="mod*"),
    )
    desk = Desk(replace(WATCH, ladders={"night": LADDER, "day": other}, rules=rules))
    desk.open(task="billing.charge", dependency=None)
    desk.open(signature="quiet")
    desk.open(signature="other", dependency="smtp")
    desk.look()
    assert sorted((each["ladder"], each["severity"], each["task"]) for each in desk.told()) == [
        ("day", "critical", "billing.charge"),
        ("night", "error", "app.call"),
    ]
    with desk.ledger.reading() as tx:
        assert tx.without_alert(desk.now, 10) == []


def test_an_incident_that_was_escalated_as_it_was_taken_up_keeps_what_was_asked_for() -> None:
    """It was read before, and is written after: the alert that somebody asked for in between stays."""
    desk = Desk()
    incident = desk.open(dependency=None)
    with desk.ledger.reading() as tx:
        opened = tx.without_alert(NIGHT - timedelta(days=1), 10)
    with desk.ledger.transaction() as tx:
        escalate(tx, incident.id, Asked(level="phone"), Word("ann", "on it", desk.now, uuid4), desk.watch)
    with desk.ledger.transaction() as tx:
        assert len([take_up(tx, each, desk.watch, desk.now) for each in opened]) == 1
    desk.look(1)
    assert desk.steps()[0][1] == 2


def test_an_incident_of_another_kind_than_the_rule_that_kept_it_quiet_is_told() -> None:
    """What was transient, and told nobody, is told once it is known that the dependency is down, hours later too."""
    desk = Desk(NOBODY)
    incident = desk.open(kind=Kind.TRANSIENT)
    desk.look(1)
    desk.change(incident.id, size=40)
    desk.look(7_200)
    assert desk.steps() == []
    desk.change(incident.id, kind=Kind.DEPENDENCY_DOWN, size=40_000)
    desk.look(1)
    assert triggers(desk) == [2]


def test_what_told_nobody_is_looked_at_again_after_a_start_with_other_settings() -> None:
    """The rule is gone from the settings: an incident that is still open is told, one that is over is not."""
    desk = Desk(NOBODY)
    over, _ = desk.open(kind=Kind.TRANSIENT, signature="over"), desk.open(kind=Kind.TRANSIENT)
    desk.look(1)
    desk.close(over.id)
    desk.look(7_200)
    desk.watch = WATCH
    desk.escalating = Escalating(desk.ledger, WATCH, lambda: desk.now)
    desk.look(1)
    assert (triggers(desk), desk.told()[0]["incidents"]) == ([1], 1)


def test_incidents_that_trickle_in_from_one_dependency_share_its_alert() -> None:
    """However far apart within the hour: twenty of one outage are one alert."""
    desk = Desk()
    for number in range(20):
        desk.open(dependency="model", signature=f"s{number}")
        desk.look(61)
    assert len({each["alert_id"] for each in desk.told()}) == 1
    assert triggers(desk) == [1, 2]
    desk.look(3_601)
    desk.open(dependency="model", signature="much later")
    desk.look(1)
    assert len({each["alert_id"] for each in desk.told()}) == 2
