"""Many failures at once over HTTP: what is selected, what a dry run tells, and how a recovery is steered to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from tests.recovery import failed_event
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

RETRY = "/api/v1/recovery/retry"
WHY = {"reason": "the provider is back"}
KEY = {"Idempotency-Key": "k1"}


def two_incidents(api: Served, each: int = 4) -> None:
    """Let two tasks fail, each for its own dependency: an incident of each."""
    for offset, task, dependency in ((0, "app.call", "model"), (each, "app.mail", "smtp")):
        declaration = {"dependency": dependency, "idempotent": True}
        numbers = range(offset, offset + each)
        api.scene.take_in(*(failed_event(number, task=task, declaration=declaration) for number in numbers))
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})


def asked(api: Served, **what: Any) -> dict[str, Any]:
    """Ask for failures of a query, and give the recovery as it is shown."""
    answer = api.ask("POST", RETRY, {"query": {"task": "app.*"}, **WHY, **what}, headers=KEY)
    assert answer.status_code == 202, answer.text
    shown: dict[str, Any] = api.ask("GET", answer.headers["Location"]).json()
    return shown


def progress(api: Served, recovery: dict[str, Any]) -> dict[str, int]:
    """Give the progress of a recovery, which has to add up whenever it is asked for."""
    found: dict[str, int] = api.ask("GET", recovery["location"]).json()["progress"]
    assert sum(count for name, count in found.items() if name != "asked") == found["asked"]
    return {name: count for name, count in found.items() if count}


def test_a_query_over_two_incidents_is_one_recovery(api: Served) -> None:
    """A canary of each goes first, the rest follows, and the progress is right at each step."""
    two_incidents(api)
    dry = api.ask("POST", RETRY, {"query": {"task": "app.*"}, "dry_run": True, **WHY}).json()
    assert (dry["eligible"], dry["not_eligible"]) == (8, 0)
    assert sorted((each["task"], each["eligible"]) for each in dry["incidents"]) == [("app.call", 4), ("app.mail", 4)]
    recovery = asked(api)
    assert (recovery["state"], len(recovery["releases"])) == ("running", 2)
    canaries = api.scene.release()
    assert len(canaries) == 2
    assert progress(api, recovery) == {"asked": 8, "waiting": 6, "in_flight": 2}
    api.scene.answer(canaries)
    rest = api.scene.release()
    api.scene.answer(rest[:3])
    assert progress(api, recovery) == {"asked": 8, "in_flight": 3, "recovered": 5}
    api.scene.answer(rest[3:])
    api.scene.release()
    shown = api.ask("GET", recovery["location"]).json()
    assert (shown["state"], shown["progress"]["recovered"], shown["first_successes"]) == ("done", 8, 8)


def test_an_abort_gives_back_what_has_not_gone(api: Served) -> None:
    """What is out is counted to its end, the rest is nobody's at once; what is over cannot be resumed."""
    two_incidents(api)
    recovery = asked(api)
    canaries = api.scene.release()
    aborted = api.ask("POST", f"{recovery['location']}/abort", {"reason": "wrong queue"})
    assert aborted.status_code == 200, aborted.text
    assert aborted.json()["state"] == "aborted"
    assert progress(api, recovery) == {"asked": 8, "given_back": 6, "in_flight": 2}
    assert api.scene.release() == []
    api.scene.answer(canaries[:1])
    api.scene.answer(canaries[1:], "failed")
    assert api.scene.release() == []
    assert progress(api, recovery) == {"asked": 8, "given_back": 6, "recovered": 1, "held_again": 1}
    refused(api.ask("POST", f"{recovery['location']}/resume", {"reason": "no"}), 409, "conflict")
    again = api.ask("POST", RETRY, {"query": {"task": "app.*"}, "dry_run": True, **WHY}).json()
    assert (again["eligible"], again["not_eligible"]) == (7, 0)


def test_a_paused_recovery_rests_until_it_is_resumed(api: Served) -> None:
    """Nothing goes meanwhile, a second pause changes nothing, and both commands are told."""
    two_incidents(api)
    recovery = asked(api)
    for _ in range(2):
        paused = api.ask("POST", f"{recovery['location']}/pause", {"reason": "a deploy"})
        assert (paused.status_code, paused.json()["state"]) == (200, "paused")
    assert api.scene.release() == []
    assert "a deploy" in str(api.ask("GET", recovery["location"]).json()["waits_for"])
    assert api.ask("POST", f"{recovery['location']}/resume", {"reason": "deployed"}).json()["state"] == "running"
    assert len(api.scene.release()) == 2
    commands = [each["data"]["command"] for each in api.scene.events() if each["type"].startswith("redrive.command")]
    assert commands == ["mode", "retry", "pause", "resume"]


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ({}, "exactly one of"),
        ({"query": {}}, "name at least one"),
        ({"query": {"states": ["held"]}}, "name at least one"),
        ({"query": {"task": "a"}, "ids": [str(UUID(int=1))]}, "got ids and query"),
        ({"query": {"kind": "bad"}}, "transient"),
        ({"query": {"task": "a", "states": ["released"]}}, "held and dead alone"),
        ({"query": {"tsak": "a"}}, "query.tsak"),
        ({"query": {"task": "a"}, "plan": "cron_backoff"}, "gate.cron"),
        ({"query": {"task": "a"}, "plan": "reroute"}, "expected route"),
        ({"query": {"task": "a"}, "route": {"queue": "q"}}, "expected the plan 'reroute'"),
        ({"query": {"task": "a"}, "gate": {"cron": "* * * * *"}}, "cron_backoff"),
        ({"query": {"task": "a"}, "limit": 0}, "limit"),
        ({"query": {"task": "a"}, "order": "random"}, "oldest"),
        ({"query": {"task": "a"}, "revision": 1}, "incident_id alone"),
        ({"ids": []}, "ids"),
    ],
    ids=str,
)
def test_a_selection_that_cannot_be_meant_is_refused(api: Served, what: dict[str, Any], word: str) -> None:
    """422 that names the field and what to do; nothing is recorded."""
    two_incidents(api)
    problem = refused(api.ask("POST", RETRY, {**what, **WHY}, headers=KEY), 422, "invalid-request")
    assert word in problem["detail"]
    assert api.scene.releases == []


def test_many_failures_want_a_key(api: Served) -> None:
    """400 without one; with one the same recovery is told again."""
    two_incidents(api)
    refused(api.ask("POST", RETRY, {"query": {"task": "app.*"}, **WHY}), 400, "invalid-request")
    assert asked(api)["id"] == asked(api)["id"]
    assert len(api.ask("GET", "/api/v1/recovery/retries").json()["retries"]) == 1


def test_recoveries_are_listed_in_pages(api: Served) -> None:
    """Newest first, by state where that is asked for, each with a link to the next page."""
    two_incidents(api)
    for number in range(3):
        api.scene.later(1)
        api.ask("POST", RETRY, {"task_id": f"t{number}", **WHY})
    first = api.ask("GET", "/api/v1/recovery/retries?limit=2&state=running")
    assert len(first.json()["retries"]) == 2
    rest = api.ask("GET", first.links["next"]["url"].removeprefix(api.url)).json()["retries"]
    found = [*first.json()["retries"], *rest]
    assert sorted((each["created_at"] for each in found), reverse=True) == [each["created_at"] for each in found]
    assert len({each["id"] for each in found}) == 3
    assert api.ask("GET", "/api/v1/recovery/retries?state=done").json()["retries"] == []


def test_a_limit_takes_so_many_in_their_order(api: Served) -> None:
    """The newest first where that is asked for; the dry run says how many are beyond the limit."""
    two_incidents(api)
    body = {"query": {"task": "app.*"}, "limit": 3, "order": "newest", **WHY}
    dry = api.ask("POST", RETRY, {**body, "dry_run": True}).json()
    assert (dry["eligible"], dry["not_eligible"]) == (3, 5)
    assert [(each["task"], each["eligible"]) for each in dry["incidents"]] == [("app.mail", 3)]
    assert "beyond the limit" in dry["reasons"][0]["why"]
    recovery = asked(api, limit=3, order="newest")
    (canary,) = api.scene.release()
    assert api.scene.attempt(canary).task_id == "t7"
    assert progress(api, recovery) == {"asked": 3, "waiting": 2, "in_flight": 1}


def test_who_decided_on_an_older_revision_is_told(api: Served) -> None:
    """Of two who have read the same revision one wins; a rule's plan decided on it still counts."""
    two_incidents(api)
    incident = api.scene.incident
    body = {"incident_id": str(incident.id), "revision": incident.revision, **WHY}
    assert api.ask("POST", RETRY, {**body, "limit": 1}, headers=KEY).status_code == 202
    problem = refused(api.ask("POST", RETRY, body, headers={"Idempotency-Key": "k2"}), 409, "conflict")
    assert f"revision {incident.revision + 1}" in problem["detail"]
    (change,) = problem["changes"]
    assert (problem["revision"], change["verb"], change["reason"]) == (incident.revision + 1, "retry", WHY["reason"])
    assert refused(api.ask("POST", RETRY, {**body, "dry_run": True}), 409, "conflict")["changes"] == [change]
    plan = {"plan": "retry", "reason": "it passes", "revision": incident.revision, "execution_id": "e-1"}
    assert api.ask("POST", f"/api/v1/incidents/{incident.id}/plan", plan).status_code == 202


def found(api: Served, query: str) -> list[str]:
    """Name the tasks' ids that a query of the list gives, page by page."""
    names, path = [], f"/api/v1/failures?limit=3&{query}"
    while path:
        answer = api.ask("GET", path)
        assert answer.status_code == 200, answer.text
        names += [each["task_id"] for each in answer.json()["failures"]]
        path = answer.links["next"]["url"].removeprefix(api.url) if "next" in answer.links else ""
    return names


def test_a_query_that_took_of_an_incident_is_among_its_changes(api: Served) -> None:
    """Whoever decided on an incident before a query took failures of it, and of others, is told of that."""
    two_incidents(api)
    incident = api.scene.incident
    asked(api)
    body = {"incident_id": str(incident.id), "revision": incident.revision, **WHY}
    problem = refused(api.ask("POST", RETRY, body, headers={"Idempotency-Key": "k2"}), 409, "conflict")
    (change,) = problem["changes"]
    assert (change["verb"], change["after"]["failures"]) == ("retry", 4)


@pytest.mark.parametrize("what", ["hold", "release"])
def test_a_hold_is_a_change_that_others_are_told_of(api: Served, what: str) -> None:
    """It raises the revision: who decided before it gets 409 with who held it, and why."""
    two_incidents(api)
    incident = api.scene.incident
    api.ask("POST", f"/api/v1/incidents/{incident.id}/hold", {"reason": "a deploy"})
    if what == "release":
        api.ask("POST", f"/api/v1/incidents/{incident.id}/release", {"reason": "a deploy"})
    body = {"incident_id": str(incident.id), "revision": incident.revision, **WHY}
    problem = refused(api.ask("POST", RETRY, body, headers=KEY), 409, "conflict")
    assert (problem["changes"][0]["verb"], problem["changes"][0]["reason"]) == (what, "a deploy")


@pytest.mark.parametrize("kind", ["query", "incident_id", "ids", "failure_id"])
def test_a_dry_run_has_all_members_whatever_is_meant(api: Served, kind: str) -> None:
    """Also of one failure; nothing is recorded."""
    two_incidents(api)
    incident, first = api.scene.incident, api.scene.failures[0].failure.id
    named = {
        "query": {"task": incident.task}, "incident_id": str(incident.id), "ids": [str(first), str(uuid4())],
        "failure_id": str(first),
    }  # fmt: skip
    dry = api.ask("POST", RETRY, {kind: named[kind], "dry_run": True, **WHY}).json()
    assert dry["eligible"] == (4 if kind in ("query", "incident_id") else 1)
    assert (len(dry["incidents"]), dry["reasons"], dry["seconds"]) == (1, [], None)
    assert (dry["prediction"]["enough"], len(dry["prediction"]["groups"])) == (False, 1)
    assert "nobody knows how long they run" in dry["seconds_says"]
    assert [each["dependency"] for each in dry["load"]] == [incident.dependency]
    assert api.scene.releases == []


def test_a_dry_run_rests_on_what_ran_lately(api: Served) -> None:
    """After some have come back it tells how many a second the rest would be, and how long that takes."""
    two_incidents(api)
    api.ask("POST", RETRY, {"query": {"task": "app.*"}, "limit": 2, **WHY}, headers=KEY)
    out = api.scene.release()
    api.scene.later(2)
    api.scene.answer(out)
    dry = api.ask("POST", RETRY, {"query": {"task": "app.call"}, "dry_run": True, **WHY}).json()
    assert dry["seconds"] is not None
    assert dry["seconds_says"].startswith("rests on 1 redrives of these tasks, 2 s each")
    assert dry["load"][0]["per_second"] > 0


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("task=app.*", range(8)),
        ("task=app.cal?", range(4)),
        ("task=APP.*", ()),
        ("task=app%25", ()),
        ("dependency=smtp", range(4, 8)),
        ("queue=celery", range(8)),
        ("queue=other", ()),
        ("kind=transient", range(8)),
        ("since=2025-11-20T12:00:02Z&until=2025-11-20T12:00:05Z", range(2, 5)),
        ("state=held&task=app.mail", range(4, 8)),
        ("state=dead&state=recovered", ()),
        ("argument=tenant=acme", ()),
        ("organization=acme", ()),
    ],
)
def test_failures_are_found_by_what_is_known_of_them(api: Served, query: str, numbers: range) -> None:
    """All that is named must hold; each failure comes once, the oldest first, over all pages."""
    two_incidents(api)
    assert found(api, query) == [f"t{number}" for number in numbers]


@pytest.mark.parametrize("query", ["argument=tenant", "kind=bad", "state=lost", "since=today", "limit=0", "task="])
def test_a_list_that_cannot_be_meant_is_refused(api: Served, query: str) -> None:
    """422 that names the parameter."""
    problem = refused(api.ask("GET", f"/api/v1/failures?{query}"), 422, "invalid-request")
    assert query.partition("=")[0] in problem["detail"]
