"""A person's work on incidents and failures over HTTP, and the audit of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from orchestrator.domain.incidents import IncidentState
from tests.recovery import NOON, failed_event, failure
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

WHY = {"reason": "the provider says an hour"}
AUDIT = "/api/v1/audit"


def opened(api: Served, size: int = 3) -> str:
    """Let an incident of so many failures be open; gives the path of it."""
    declaration = {"dependency": "model", "idempotent": True}
    api.scene.take_in(*(failed_event(number, declaration=declaration) for number in range(size)))
    return f"/api/v1/incidents/{api.scene.incident.id}"


def patched(api: Served, path: str, **wanted: Any) -> dict[str, Any]:
    """Change an incident, which must be taken."""
    answer = api.ask("PATCH", path, WHY | wanted)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_update_answers_with_before_and_after(api: Served) -> None:
    """The answer has what changed, the revision and the command; the incident shows it, in lists as well."""
    path = opened(api)
    told = patched(api, path, owner="bob", severity="critical")
    assert (told["revision"], told["changed"], told["command"]) == (2, True, "update")
    assert told["before"] == {"owner": None, "severity": "error"}
    assert told["after"] == {"owner": "bob", "severity": "critical"}
    assert api.ask("GET", path).json()["owner"] == "bob"
    (listed,) = api.ask("GET", "/api/v1/incidents").json()["incidents"]
    assert {name: listed[name] for name in ("owner", "severity", "acknowledged_by", "snoozed_until", "revision")} == {
        "owner": "bob", "severity": "critical", "acknowledged_by": None, "snoozed_until": None, "revision": 2,
    }  # fmt: skip
    (entry,) = api.ask("GET", AUDIT).json()["entries"]
    assert (entry["id"], entry["revision"]) == (told["command_id"], 2)


def test_a_dry_run_changes_nothing(api: Served) -> None:
    """It shows what would change; revision and audit stay."""
    path = opened(api)
    told = patched(api, path, discard=True, dry_run=True)
    assert (told["dry_run"], told["after"]) == (True, {"state": "discarded", "failures": {"discarded": 3}})
    assert (told["revision"], told["incident"]["revision"]) == (1, 1)
    assert api.ask("GET", path).json()["revision"] == 1
    assert api.ask("GET", AUDIT).json()["entries"] == []


def test_an_old_revision_is_409_with_what_changed(api: Served) -> None:
    """The problem has the present revision and each change with who, what, why, newest first."""
    path = opened(api)
    patched(api, path, owner="bob")
    answer = api.ask("PATCH", path, WHY | {"owner": "cy", "revision": 1})
    refused(answer, 409, "conflict")
    told = answer.json()
    assert told["revision"] == 2
    (change,) = told["changes"]
    assert change == {
        "at": NOON.isoformat(), "actor": "unauthenticated on loopback", "verb": "update", "reason": WHY["reason"],
        "before": {"owner": None}, "after": {"owner": "bob"}, "revision": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"severity": None},
        {"severity": "bad"},
        {"owner": ""},
        {"owner": "a\x1b[31m"},
        {"owner": "x" * 101},
        {"acknowledge": False},
        {"discard": True, "owner": "bob"},
        {"snooze_until": NOON.isoformat()},
        {"snooze_until": (NOON + timedelta(days=31)).isoformat()},
        {"snooze_until": "2027-01-01T00:00:00"},
        {"revision": 0, "owner": "bob"},
        {"state": "recovered"},
    ],
)
def test_what_is_no_update_is_refused(api: Served, wanted: dict[str, Any]) -> None:
    """Nothing wanted, words that are none, names that steer a terminal, times that are over: 422, nothing recorded."""
    path = opened(api)
    refused(api.ask("PATCH", path, WHY | wanted), 422, "invalid-request")
    assert api.ask("GET", AUDIT).json()["entries"] == []


def test_an_update_wants_a_reason(api: Served) -> None:
    """Who changes an incident says why."""
    refused(api.ask("PATCH", opened(api), {"owner": "bob"}), 422, "invalid-request")
    refused(api.ask("PATCH", f"/api/v1/incidents/{uuid4()}", WHY | {"owner": "bob"}), 404, "not-found")


def test_failures_are_discarded_by_name_and_their_incident_closes(api: Served) -> None:
    """One of three leaves it open, the others close it; said again it changes nothing; the counts are right."""
    path = opened(api)
    one = api.ask("POST", f"/api/v1/failures/{failure(0).id}/discard", WHY).json()
    assert (one["discarded"], one["not_discarded"]) == (1, {})
    again = api.ask("POST", f"/api/v1/failures/{failure(0).id}/discard", WHY).json()
    assert (again["discarded"], again["command_id"], again["not_discarded"]) == (0, None, {"discarded": 1})
    assert api.ask("GET", path).json()["state"] == "open"
    ids = [str(failure(number).id) for number in range(3)]
    rest = api.ask("POST", "/api/v1/failures/discard", WHY | {"ids": ids}).json()
    assert (rest["discarded"], rest["not_discarded"]) == (2, {"discarded": 1})
    incident = api.ask("GET", path).json()
    assert (incident["state"], incident["note"]) == (
        "discarded", f"discarded by unauthenticated on loopback: {WHY['reason']}",
    )  # fmt: skip
    shown = api.ask("GET", f"/api/v1/failures/{failure(1).id}").json()
    assert (shown["state"], shown["reason"]) == ("discarded", incident["note"])
    assert api.ask("GET", "/api/v1/summary").json()["failures"] == {"discarded": 3}
    assert [each["verb"] for each in api.ask("GET", AUDIT).json()["entries"]] == ["discard", "discard"]
    refused(api.ask("POST", f"/api/v1/failures/{uuid4()}/discard", WHY), 404, "not-found")


def test_what_a_recovery_had_has_ended_elsewhere(api: Served) -> None:
    """Failures that are claimed are given up all the same: the recovery counts them so, and nothing of them goes."""
    path = opened(api)
    incident = path.rpartition("/")[2]
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    body = WHY | {"incident_id": incident}
    place = api.ask("POST", "/recovery/retry", body, headers={"Idempotency-Key": "k"}).headers["Location"]
    told = api.ask("POST", "/api/v1/failures/discard", WHY | {"query": {"task": "app.*", "dependency": "model"}}).json()
    assert (told["discarded"], [each["id"] for each in told["incidents"]]) == (3, [incident])
    shown = api.ask("GET", place).json()
    assert {name: number for name, number in shown["progress"].items() if number} == {"asked": 3, "elsewhere": 3}
    assert (shown["state"], [each["state"] for each in shown["releases"]]) == ("done", ["aborted"])
    api.scene.later(10_000)
    assert api.scene.release() == []


def test_an_incident_that_is_given_up_ends_the_recovery_of_it(api: Served) -> None:
    """Its recovery is over, and all its failures are counted as gone elsewhere."""
    path = opened(api)
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    body = WHY | {"incident_id": path.rpartition("/")[2]}
    place = api.ask("POST", "/recovery/retry", body, headers={"Idempotency-Key": "k"}).headers["Location"]
    patched(api, path, discard=True)
    shown = api.ask("GET", place).json()
    assert (shown["state"], shown["progress"]["elsewhere"], shown["progress"]["asked"]) == ("done", 3, 3)


def test_a_recovery_of_several_incidents_is_a_change_of_each(api: Served) -> None:
    """Whoever decided on what an incident said before is told of the recovery that took failures of it."""
    path = opened(api)
    declaration = {"dependency": "smtp", "idempotent": True}
    api.scene.take_in(failed_event(9, task="app.mail", declaration=declaration))
    body = WHY | {"query": {"task": "app.*"}}
    assert api.ask("POST", "/recovery/retry", body, headers={"Idempotency-Key": "k"}).status_code == 202
    told = api.ask("PATCH", path, WHY | {"owner": "bob", "revision": 1}).json()
    assert told["revision"] == 2
    assert [(each["verb"], each["revision"], each["after"]["failures"]) for each in told["changes"]] == [
        ("retry", 2, 3)
    ]
    assert api.ask("GET", f"{AUDIT}/verify").json()["holds"]


def test_what_is_on_its_way_is_not_given_up(api: Served) -> None:
    """A canary that is out stays; the others go; the answer says what stayed, and the incident stays open."""
    path = opened(api)
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    body = WHY | {"incident_id": path.rpartition("/")[2]}
    api.ask("POST", "/recovery/retry", body, headers={"Idempotency-Key": "k"})
    (canary,) = api.scene.release()
    told = api.ask("POST", "/api/v1/failures/discard", body).json()
    assert (told["discarded"], told["not_discarded"]) == (2, {"released": 1})
    api.scene.answer([canary])
    assert api.ask("GET", path).json()["state"] == "recovered"
    assert api.ask("GET", "/api/v1/summary").json()["failures"] == {"discarded": 2, "recovered": 1}


def test_a_dry_run_of_a_discard_counts(api: Served) -> None:
    """It says how many would go, of which incidents, and gives nothing up."""
    opened(api)
    incident = str(api.scene.incident.id)
    body = WHY | {"incident_id": incident, "dry_run": True}
    told = api.ask("POST", "/api/v1/failures/discard", body).json()
    assert told == {
        "dry_run": True, "discarded": 3, "incidents": [{"id": incident, "failures": {"held": 3}}], "not_discarded": {},
    }  # fmt: skip
    assert api.ask("GET", "/api/v1/summary").json()["failures"] == {"held": 3}


def test_what_a_person_s_recovery_could_not_bring_back_is_given_to_people(api: Served) -> None:
    """Its tries used up, the audit says so as of a rule's: how many are dead, and that they wait for a person."""
    path = opened(api)
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    body = WHY | {"incident_id": path.rpartition("/")[2], "gate": {"max_tries": 1}}
    api.ask("POST", "/recovery/retry", body, headers={"Idempotency-Key": "k"})
    api.scene.later(10)
    api.scene.answer(api.scene.release(), "failed")
    api.scene.later(10_000)
    api.scene.release()
    (entry,) = api.ask("GET", f"{AUDIT}?verb=exhaust").json()["entries"]
    assert (entry["origin"], entry["actor"], entry["after"]["dead"]) == ("redrive", "redrive", 3)
    assert "3 failures are listed as dead and wait for a person" in entry["reason"]


def test_a_plan_that_a_workflow_brings_is_its_rule_s(api: Served) -> None:
    """The audit has the execution that decided, what stood before and after, and whose token brought it."""
    path = opened(api)
    body = {"plan": "retry", "reason": "it passes", "revision": 1, "execution_id": "x-1"}
    assert api.ask("POST", f"{path}/plan", body).status_code == 202
    (entry,) = api.ask("GET", f"{AUDIT}?origin=rule").json()["entries"]
    told = (entry["verb"], entry["execution_id"], entry["actor"], entry["reason"], entry["revision"])
    assert told == ("plan", "x-1", "unauthenticated on loopback", "it passes", 2)
    assert (entry["before"], entry["after"]["state"]) == ({"plan": None, "state": "open"}, "planned")


def test_the_audit_is_read_in_pages_and_by_what_is_asked(api: Served) -> None:
    """Newest first; each page links to the next; filters narrow it."""
    path = opened(api)
    for name in ("a", "b", "c"):
        patched(api, path, owner=name)
    api.ask("POST", "/api/v1/dependencies/model/hold", WHY)
    first = api.ask("GET", f"{AUDIT}?limit=3")
    assert [each["seq"] for each in first.json()["entries"]] == [4, 3, 2]
    second = api.ask("GET", first.links["next"]["url"].removeprefix(api.url))
    assert [each["seq"] for each in second.json()["entries"]] == [1]
    incident = path.rpartition("/")[2]
    for asked, found in (
        ("verb=hold", [4]), (f"incident={incident}", [3, 2, 1]), ("dependency=model&verb=update", [3, 2, 1]),
        ("actor=nobody", []), ("forced=true", []), ("origin=person&limit=1", [4]),
        ("since=2026-01-01T00:00:00Z", []), ("until=2026-01-01T00:00:00Z&verb=hold", [4]),
    ):  # fmt: skip
        assert [each["seq"] for each in api.ask("GET", f"{AUDIT}?{asked}").json()["entries"]] == found, asked
    refused(api.ask("GET", f"{AUDIT}?cursor=x"), 422, "invalid-request")


def test_a_discard_in_a_closed_incident_is_audited(api: Served) -> None:
    """The command that the answer names is there, and the incident stays as it was closed."""
    path = opened(api)
    incident = api.scene.incident
    closed = replace(incident, state=IncidentState.DISCARDED, closed_at=api.scene.now, note="expired")
    with api.scene.ledger.transaction() as tx:
        tx._plain.execute(text("UPDATE failures SET state = 'dead'"))
        tx.save_incident(closed)
    told = api.ask("POST", "/api/v1/failures/discard", WHY | {"incident_id": str(incident.id)}).json()
    (entry,) = api.ask("GET", AUDIT).json()["entries"]
    assert (entry["id"], entry["verb"], entry["after"]["failures"]) == (told["command_id"], "discard", {"discarded": 3})
    assert api.ask("GET", path).json()["note"] == "expired"
