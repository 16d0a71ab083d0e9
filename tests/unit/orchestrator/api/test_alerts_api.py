"""Alerts over HTTP: what was told, a person's word, a workflow's, and a test page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.flows.escalating import Escalating
from tests import recovery
from tests.alerting import WATCH

if TYPE_CHECKING:
    from orchestrator.domain.incidents import Incident
    from tests.unit.orchestrator.api.conftest import Served


@dataclass
class Alerting:
    """The API with alerts, one of which has told its first level."""

    api: Served
    incident: Incident
    escalating: Escalating

    @property
    def alert(self) -> dict[str, Any]:
        """Ask for the alert."""
        (found,) = self.api.ask("GET", "/api/v1/alerts").json()["alerts"]
        whole: dict[str, Any] = found
        return whole

    def look(self) -> None:
        """Do what is due."""
        while self.escalating.run_once() == 0.0:
            pass


@pytest.fixture
def alerting(api: Served) -> Alerting:
    """An incident whose alert has told its first level."""
    api.watch, api.alert_targets = WATCH, frozenset({"slack", "pager"})
    api.again()
    incident = recovery.incident(opened_at=api.scene.clock())
    with api.scene.ledger.transaction() as tx:
        assert tx.add_incident(incident)
    made = Alerting(api, incident, Escalating(api.scene.ledger, WATCH, api.scene.clock))
    made.look()
    return made


def test_an_alert_shows_what_was_told_and_what_is_next(alerting: Alerting) -> None:
    """Each level with its moment, the targets, the next level and when it is looked at again."""
    shown = alerting.api.ask("GET", f"/api/v1/alerts/{alerting.alert['id']}").json()
    assert (shown["state"], shown["level"], shown["levels"], shown["next_level"]) == ("firing", 1, 3, "phone")
    assert [each["name"] for each in shown["raised"]] == ["chat"]
    assert [each["id"] for each in shown["members"]] == [str(alerting.incident.id)]
    assert (shown["targets"], shown["pages"], shown["seconds_to_resolve"]) == (["slack"], 1, None)


def test_alerts_are_listed_by_state_and_in_pages(alerting: Alerting) -> None:
    """A state that none has lists none; a cursor that is none is refused."""
    ask = alerting.api.ask
    assert ask("GET", "/api/v1/alerts?state=resolved").json()["alerts"] == []
    page = ask("GET", "/api/v1/alerts?limit=1")
    assert "cursor=" in page.headers["Link"]
    assert ask("GET", f"/api/v1/alerts?cursor={alerting.alert['id']}").json()["alerts"] == []
    assert ask("GET", f"/api/v1/alerts?cursor={uuid4()}").status_code == 422
    assert ask("GET", f"/api/v1/alerts/{uuid4()}").status_code == 404


def test_a_person_acknowledges_an_alert_once(alerting: Alerting) -> None:
    """A dry run changes nothing; the word is kept on the incident; a second time there is a conflict."""
    path = f"/api/v1/alerts/{alerting.alert['id']}/acknowledge"
    ask = alerting.api.ask
    assert ask("POST", path, {"reason": "on it", "dry_run": True}).json()["dry_run"]
    assert alerting.alert["state"] == "firing"
    answer = ask("POST", path, {"reason": "on it"})
    assert (answer.status_code, answer.json()["acknowledged"]) == (200, [str(alerting.incident.id)])
    alerting.look()
    assert (alerting.alert["state"], bool(alerting.alert["acknowledged_by"])) == ("acknowledged", True)
    assert ask("POST", path, {"reason": "me too"}).status_code == 409
    assert ask("POST", path, {}).status_code == 422


def test_a_workflow_escalates_an_incident(alerting: Alerting) -> None:
    """202, and the level is told; what was told already, or has no such ladder, is a conflict."""
    path = f"/api/v1/incidents/{alerting.incident.id}/escalate"
    ask = alerting.api.ask
    answer = ask("POST", path, {"reason": "a plan", "ladder": "night", "level": "boss", "execution_id": "e-1"})
    assert (answer.status_code, answer.json()["command"]["kind"]) == (202, "escalate")
    alerting.look()
    assert alerting.alert["level"] == 3
    assert ask("POST", path, {"reason": "again"}).status_code == 409
    refused = ask("POST", path, {"reason": "x", "ladder": "noon"})
    assert (refused.status_code, "night" in refused.json()["detail"]) == (409, True)
    assert ask("POST", f"/api/v1/incidents/{uuid4()}/escalate", {"reason": "x"}).status_code == 404


def test_a_test_page_and_its_end_go_the_way_of_every_page(alerting: Alerting) -> None:
    """They are events for that target alone; a target that is not known is refused."""
    ask = alerting.api.ask
    before = len(alerting.api.scene.outbox())
    assert ask("POST", "/api/v1/alert-tests", {"target": "pager", "reason": "r", "dry_run": True}).status_code == 200
    assert len(alerting.api.scene.outbox()) == before
    assert ask("POST", "/api/v1/alert-tests", {"target": "pager", "reason": "r"}).json()["sink"] == "alerts-pager"
    told = alerting.api.scene.outbox()[before:]
    assert told == ["redrive.audit.recorded.v1", *["redrive.alert.changed.v1"] * 2]
    assert ask("POST", "/api/v1/alert-tests", {"target": "nobody", "reason": "r"}).status_code == 404


def test_a_call_repeated_under_its_key_wakes_nobody_more(alerting: Alerting) -> None:
    """A workflow that got no answer asks again: the same answer, and no further level; another request is refused."""
    path, key = f"/api/v1/incidents/{alerting.incident.id}/escalate", {"Idempotency-Key": "e-1"}
    first = alerting.api.ask("POST", path, {"reason": "a plan"}, headers=key)
    alerting.look()
    again = alerting.api.ask("POST", path, {"reason": "a plan"}, headers=key)
    alerting.look()
    assert (again.status_code, again.json()) == (202, first.json())
    assert alerting.alert["level"] == 2
    assert alerting.api.ask("POST", path, {"reason": "another"}, headers=key).status_code == 422
