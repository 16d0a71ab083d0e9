"""Escalating on a ledger: one alert for an incident or a storm, told once for each level, through flapping too."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import jsonschema_rs
import orjson
import pytest

from eventbus.wire import ALERT_CHANGED, schema_text
from orchestrator.domain.alerts import AlertState
from orchestrator.domain.auditing import AuditQuery
from orchestrator.ledger.sql import SqlTransaction
from tests.alerting import Desk

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


class CutOff(BaseException):
    """The transaction is cut off, as where its process is gone."""


def test_a_transaction_cut_off_at_any_write_loses_no_page_and_tells_none_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """State and event are one commit: whoever comes after finds both, or neither, and tells it under the same id."""
    calm = Desk()
    calm.open()
    calm.look()
    wanted = len(calm.told())
    for name in ("save_alert", "join_alert", "emit", "note_looked"):
        desk = Desk()
        desk.open()
        with cutting_off(name, monkeypatch), pytest.raises(CutOff):
            desk.look()
        assert desk.told() == []
        desk.look()
        desk.look()
        assert len(desk.told()) == wanted
        assert [each["number"] for each in desk.told()] == [1]


@contextmanager
def cutting_off(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the next call of a verb do its work, and cut the transaction off before the commit."""
    real = getattr(SqlTransaction, name)

    def cut_off(self: SqlTransaction, *given: object) -> None:
        real(self, *given)
        raise CutOff

    with monkeypatch.context() as patch:
        patch.setattr(SqlTransaction, name, cut_off)
        yield
