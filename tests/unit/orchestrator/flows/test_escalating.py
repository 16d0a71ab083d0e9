"""Escalating on a ledger: one alert for an incident or a storm, told once for each level, through flapping too."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import jsonschema_rs
import orjson
import pytest

from eventbus.wire import ALERT_CHANGED, schema_text
from orchestrator.domain.alerts import AlertState
from orchestrator.domain.auditing import AuditQuery
from orchestrator.domain.incidents import Severity
from orchestrator.domain.ladders import Ladder, Level, Rule
from orchestrator.ledger.sql import SqlTransaction
from tests.alerting import LADDER, WATCH, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_an_incident_of_a_hundred_thousand_failures_pages_once_for_each_level() -> None:
    """However often it is looked at on its way there, each level is told once, and updates stay few."""
    desk = Desk()
    incident = desk.open()
    for size in range(1, 100_001, 250):
        desk.change(incident.id, size=size)
        desk.look(1)
    desk.look(3600)
    desk.look(36_000)
    triggers = [(level, targets) for action, level, targets in desk.steps() if action == "trigger"]
    assert triggers == [(1, ["slack"]), (2, ["pager"]), (3, ["mail", "pager"])]
    assert 1 <= sum(action == "update" for action, _, _ in desk.steps()) <= 5
    assert {each["dedup_key"] for each in desk.told()} == {desk.told()[0]["dedup_key"]}


def test_an_incident_that_does_not_change_is_not_looked_at_again() -> None:
    """Between its times an alert costs nothing: growth below the next size that matters does not wake it."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    desk.change(incident.id, size=9)
    with desk.ledger.reading() as tx:
        assert tx.due_alerts(desk.now, 10) == []
    desk.change(incident.id, size=10)
    with desk.ledger.reading() as tx:
        assert len(tx.due_alerts(desk.now, 10)) == 1


def test_a_flapping_incident_pages_once() -> None:
    """What opens again soon after its end goes on with its alert; nobody is woken, and the chatter is capped."""
    desk = Desk()
    for _ in range(20):
        incident = desk.open()
        desk.look(10)
        desk.close(incident.id)
        desk.look(10)
    steps = [action for action, _, _ in desk.steps()]
    assert steps.count("trigger") == 1
    assert len({each["alert_id"] for each in desk.told()}) == 1
    assert steps.count("resolve") <= 400 / 60 + 1
    assert steps[-1] == "resolve"
    with desk.ledger.reading() as tx:
        assert [(each.state, each.reopened) for each in tx.alerts([], 10)] == [(AlertState.RESOLVED, 19)]


def test_one_that_comes_back_much_later_is_a_new_alert() -> None:
    """After the stated time the same failure wakes people again."""
    desk = Desk()
    desk.close(desk.open().id)
    desk.look()
    incident = desk.open()
    desk.look()
    desk.close(incident.id)
    desk.look()
    desk.look(901)
    desk.open()
    desk.look()
    assert [action for action, _, _ in desk.steps()] == ["trigger", "resolve", "trigger"]


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


def test_an_acknowledged_incident_stops_its_alert_and_its_end_is_told() -> None:
    """A person's word on the incident is all that is needed, whoever wrote it."""
    desk = Desk()
    incident = desk.open()
    desk.look(30)
    desk.change(incident.id, acknowledged_by="ann", acknowledged_at=desk.now)
    desk.look(7200)
    desk.close(incident.id)
    desk.look(10)
    assert desk.steps() == [("trigger", 1, ["slack"]), ("acknowledge", 1, ["slack"]), ("resolve", 1, ["slack"])]
    assert "acknowledged by ann" in desk.told()[1]["text"]
    with desk.ledger.reading() as tx:
        tallies = tx.alert_tallies()
    assert (tallies.acknowledged.count, tallies.acknowledged.seconds) == (1, 30)
    assert (tallies.resolved.count, tallies.resolved.seconds) == (1, 7230)
    assert tallies.pages == {"chat": 1}


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


def test_what_is_told_keeps_to_the_schema() -> None:
    """Each event has all that its schema asks for."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    desk.close(incident.id)
    desk.look(60)
    validator = jsonschema_rs.validator_for(orjson.loads(schema_text(ALERT_CHANGED)), validate_formats=True)
    assert len(desk.told()) == 2
    for each in desk.told():
        validator.validate(each)
    assert desk.told()[1]["commands"] == [f"redrive postmortem {incident.id}"]


def test_each_page_is_in_the_audit_and_nothing_else() -> None:
    """Who was woken by the orchestrator itself, by which ladder, and why; updates and ends wake nobody."""
    desk = Desk()
    incident = desk.open()
    desk.look()
    desk.change(incident.id, size=10)
    desk.look(60)
    desk.close(incident.id)
    desk.look(60)
    with desk.ledger.reading() as tx:
        (entry,) = tx.audited(AuditQuery(verb="raise_alert"), 10)
    assert (entry.actor, entry.incident_id, entry.after["targets"]) == ("redrive", incident.id, ["slack"])
    assert entry.reason == "level chat: it has opened"


class Killed(BaseException):
    """The process is gone."""


def test_a_kill_at_any_write_loses_no_page_and_tells_none_under_two_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """State and event are one commit: whoever comes after finds both, or neither, and tells it under the same id."""
    calm = Desk()
    calm.open()
    calm.look()
    wanted = len(calm.told())
    for name in ("save_alert", "join_alert", "emit", "note_looked"):
        desk = Desk()
        desk.open()
        with killing(name, monkeypatch), pytest.raises(Killed):
            desk.look()
        assert desk.told() == []
        desk.look()
        desk.look()
        assert len(desk.told()) == wanted
        assert [each["number"] for each in desk.told()] == [1]


@contextmanager
def killing(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the next call of a verb do its work, and kill the process before the commit."""
    real = getattr(SqlTransaction, name)

    def killed(self: SqlTransaction, *given: object) -> None:
        real(self, *given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SqlTransaction, name, killed)
        yield
