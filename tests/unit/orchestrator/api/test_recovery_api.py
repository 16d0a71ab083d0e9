"""Recovery by hand and by workflow, over HTTP: what is accepted, what is refused, and how both are told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from orchestrator.domain.incidents import IncidentState
from orchestrator.domain.plan import Route
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.schedule import Misfire, Rung, Schedule
from tests.recovery import failed_event

if TYPE_CHECKING:
    import requests

    from tests.unit.orchestrator.api.conftest import Served

RETRY = "/api/v1/recovery/retry"
ASKED = {"task_id": "t0", "reason": "the provider is back"}


def plan(revision: int = 1, **changes: Any) -> dict[str, Any]:
    """Make the body of an instruction."""
    return {"plan": "retry", "reason": "it passes", "revision": revision, "execution_id": "e-1"} | changes


def refused(answer: requests.Response, status: int, page: str) -> dict[str, Any]:
    """See that an answer is a problem of this kind, and give it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"docs/problems.md#{page}"
    assert (problem["status"], problem["instance"]) == (status, answer.request.path_url.partition("?")[0])
    assert problem["title"]
    assert problem["detail"]
    assert problem["what_next"]
    return problem


@pytest.mark.parametrize("path", ["/recovery/retry", RETRY])
def test_a_retry_is_accepted_with_a_place_to_look_at(api: Served, path: str) -> None:
    """Both paths are one handler: 202, a Location, and there plan, attempts, outcome and executions."""
    api.scene.take_in(failed_event())
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    answer = api.ask("POST", path, ASKED)
    assert answer.status_code == 202
    place = answer.headers["Location"]
    accepted = answer.json()
    assert accepted == {
        "id": place.rpartition("/")[2],
        "failure_id": str(api.scene.failures[0].failure.id),
        "location": place,
        "state": "accepted",
    }
    shown = api.ask("GET", place).json()
    assert (shown["actor"], shown["reason"], shown["state"]) == (
        "unauthenticated on loopback",
        ASKED["reason"],
        "running",
    )
    assert [each["state"] for each in shown["releases"]] == ["holding"]
    assert (shown["plan"]["name"], shown["attempts"], shown["outcome"], shown["executions"]) == ("retry", [], None, [])
    (attempt,) = api.scene.release()
    api.scene.answer([attempt])
    api.scene.release()
    shown = api.ask("GET", place).json()
    assert shown["outcome"] == "succeeded"
    assert [each["id"] for each in shown["attempts"]] == [str(attempt)]


@pytest.mark.parametrize("mode", ["observe", "paused", "act"])
def test_a_retry_that_waits_for_the_mode_says_so(api: Served, mode: str) -> None:
    """Outside the mode act the answer says that nothing is published, and how to switch."""
    api.scene.take_in(failed_event(0))
    assert api.ask("PUT", "/api/v1/mode", {"mode": mode}).status_code == 200
    note = api.ask("POST", RETRY, ASKED).json().get("note")
    if mode == "act":
        assert note is None
    else:
        said = "in which nothing is published; switch with `redrive mode act --reason WHY`"
        assert note == f"it waits: the mode is {mode}, {said}"


def test_a_retry_may_name_the_failure(api: Served) -> None:
    """A failure's id works as a task's does."""
    api.scene.take_in(failed_event())
    body = {"failure_id": str(api.scene.failures[0].failure.id), "reason": "now"}
    assert api.ask("POST", RETRY, body).status_code == 202


@pytest.mark.parametrize("what", [{"task_id": "nobody"}, {"failure_id": str(uuid4())}])
def test_a_retry_of_nothing_is_not_found(api: Served, what: dict[str, str]) -> None:
    """404 for a failure or a task that nobody knows."""
    refused(api.ask("POST", RETRY, what | {"reason": "now"}), 404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"task_id": "t0"},
        {"reason": "now"},
        {"task_id": "t0", "failure_id": str(uuid4()), "reason": "now"},
        {"task_id": "t0", "reason": ""},
        {"task_id": "", "reason": "now"},
        {"task_id": "t0", "reason": "r" * 2001},
        {"task_id": "t0", "reason": "a\x00b"},
        {"task_id": "t\x00", "reason": "now"},
        {"task_id": "t0", "reason": "now", "forced": True},
        {"failure_id": "1", "reason": "now"},
        [],
        "text",
    ],
)
def test_a_retry_that_is_not_understood_is_refused(api: Served, body: object) -> None:
    """422 with the fields named, unknown ones among them; nothing is recorded."""
    api.scene.take_in(failed_event())
    problem = refused(api.ask("POST", RETRY, body), 422, "invalid-request")
    assert all(each["field"] and each["message"] for each in problem["errors"])
    assert problem["errors"]
    assert api.scene.releases == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"task_id": "t0", "reason": "\\ud800"}', b"\x00"])
def test_a_body_that_is_no_json_is_refused(api: Served, body: bytes) -> None:
    """What cannot be parsed is a bad request, and never a fault of ours."""
    answer = api.ask("POST", RETRY, data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    refused(answer, answer.status_code, "invalid-request")


def test_a_body_that_is_too_large_is_refused(api: Served) -> None:
    """413 for more than a mebibyte, whether its length was announced or not."""
    large = b'{"reason": "' + b"r" * 2**20 + b'"}'
    refused(api.ask("POST", RETRY, data=large, headers={"Content-Type": "application/json"}), 413, "too-large")
    chunks = (large[start : start + 2**16] for start in range(0, len(large), 2**16))
    refused(api.ask("POST", RETRY, data=chunks, headers={"Content-Type": "application/json"}), 413, "too-large")


def test_a_retry_of_what_is_on_its_way_conflicts(api: Served) -> None:
    """409 while somebody's retry stands, while the task is out, and after it recovered."""
    api.scene.take_in(failed_event())
    assert api.ask("POST", RETRY, ASKED).status_code == 202
    refused(api.ask("POST", RETRY, ASKED), 409, "conflict")
    out = api.scene.release()
    refused(api.ask("POST", RETRY, ASKED), 409, "conflict")
    api.scene.answer(out)
    refused(api.ask("POST", RETRY, ASKED), 409, "conflict")


def test_the_same_key_gives_the_same_answer(api: Served) -> None:
    """With an Idempotency-Key the second request gets the first one's answer, and one release stands."""
    api.scene.take_in(failed_event())
    first, second = (api.ask("POST", RETRY, ASKED, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, first.json(), first.headers["Location"]) == (
        second.status_code,
        second.json(),
        second.headers["Location"],
    )
    assert len(api.scene.releases) == 1


def test_many_at_once_with_one_key_are_one(api: Served) -> None:
    """Requests that run at the same time wait for the first and get its answer."""
    api.scene.take_in(failed_event())
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(api.ask, "POST", RETRY, ASKED, headers={"Idempotency-Key": "k"}) for _ in range(8)]
        answers = [each.result() for each in asked]
    assert {each.status_code for each in answers} == {202}
    assert len({each.text for each in answers}) == 1
    assert len(api.scene.releases) == 1


def test_the_same_key_with_another_request_is_refused(api: Served) -> None:
    """422 for a key that came with another body, whatever the formatting; after a day the key is free."""
    api.scene.take_in(failed_event(0), failed_event(1))
    key = {"Idempotency-Key": "k"}
    assert api.ask("POST", RETRY, ASKED, headers=key).status_code == 202
    refused(api.ask("POST", RETRY, ASKED | {"task_id": "t1"}, headers=key), 422, "key-reused")
    spaced = b'{ "reason" : "the provider is back", "task_id":"t0" }'
    again = api.ask("POST", RETRY, data=spaced, headers=key | {"Content-Type": "application/json"})
    assert again.status_code == 202
    api.scene.now += timedelta(hours=24, seconds=1)
    assert api.ask("POST", RETRY, ASKED | {"task_id": "t1"}, headers=key).status_code == 202


def test_a_refusal_takes_no_key(api: Served) -> None:
    """A request that was refused leaves its key free: corrected, it may come again under it."""
    key = {"Idempotency-Key": "k"}
    refused(api.ask("POST", RETRY, ASKED, headers=key), 404, "not-found")
    api.scene.take_in(failed_event())
    assert api.ask("POST", RETRY, ASKED | {"reason": "it is there now"}, headers=key).status_code == 202


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(api: Served, key: str) -> None:
    """A key that is empty or too long is refused."""
    refused(api.ask("POST", RETRY, ASKED, headers={"Idempotency-Key": key}), 422, "invalid-request")


def test_an_instruction_becomes_the_plan(api: Served) -> None:
    """202 with the new revision and state; the same execution saying the same again gets the same answer."""
    api.scene.take_in(failed_event())
    path = f"/api/v1/incidents/{api.scene.incident.id}/plan"
    body = plan(
        pace={"in_flight": 3}, gate={"first_after_seconds": 0, "max_tries": 5, "at": None, "cron": None}, route=None
    )
    answer = api.ask("POST", path, body)
    assert answer.status_code == 202
    assert answer.json() == {"incident_id": str(api.scene.incident.id), "revision": 2, "state": "planned"}
    assert api.ask("POST", path, body).json() == answer.json()
    stands = api.scene.incident.plan
    assert (stands.pace.in_flight, stands.gate.first_after, stands.gate.max_tries) == (3, 0, 5)


def test_an_instruction_may_reroute_or_wait_for_a_time(api: Served) -> None:
    """Route, time, cron expression and time zone reach the plan."""
    api.scene.take_in(failed_event())
    path = f"/api/v1/incidents/{api.scene.incident.id}/plan"
    schedule = {
        "windows": ["mon-fri 08:00-18:00"], "blackouts": ["2026-12-24/2027-01-01"], "misfire": "skip",
        "ladder": [{"after": 2, "cron": "0 12 * * *"}], "misfire_grace_seconds": 0,
    }  # fmt: skip
    gate = {"at": "2026-01-01T00:00:00+01:00", "cron": "0 9 * * *", "timezone": "Europe/Berlin", "max_tries": 3}
    answer = api.ask("POST", path, plan(plan="reroute", route={"queue": "large"}, gate=gate | schedule))
    assert answer.status_code == 202, answer.text
    stands = api.scene.incident.plan
    assert stands.route.queue == "large"
    assert stands.gate.at.isoformat() == "2026-01-01T00:00:00+01:00"
    rungs = (Rung(2, "0 12 * * *"),)
    assert stands.gate.schedule == Schedule(
        "0 9 * * *", "Europe/Berlin", ("mon-fri 08:00-18:00",), ("2026-12-24/2027-01-01",), rungs, Misfire.SKIP, 0
    )
    shown = api.ask("GET", f"/api/v1/incidents/{api.scene.incident.id}").json()["plan"]["gate"]["schedule"]
    assert shown["ladder"] == schedule["ladder"]


def test_the_table_of_routes_and_its_constraints_reach_the_plan(api: Served) -> None:
    """What a workflow leaves null was not said; a price may be a number or text."""
    api.scene.take_in(failed_event())
    path = f"/api/v1/incidents/{api.scene.incident.id}/plan"
    constraints = {"regions": ["eu"], "usd_per_million_tokens": 0.5, "data_class": None}
    route = {"table": True, "constraints": constraints, "hop_limit": 2, "queue": None}
    answer = api.ask("POST", path, plan(plan="reroute", route=route))
    assert answer.status_code == 202
    stands = api.scene.incident.plan
    assert stands.route == Route(
        table=True, constraints=Constraints(regions=("eu",), usd_per_million_tokens=Decimal("0.5")), hop_limit=2
    )
    shown = api.ask("GET", f"/api/v1/incidents/{api.scene.incident.id}").json()["plan"]["route"]
    assert (shown["table"], shown["constraints"]["regions"]) == (True, ["eu"])


@pytest.mark.parametrize(
    "route",
    [
        {},
        {"table": True, "queue": "large"},
        {"exchange": "x"},
        {"queue": "large", "hop_limit": 1},
        {"table": True, "hop_limit": 0},
        {"table": True, "constraints": {"region": ["eu"]}},
        {"table": True, "constraints": {"context_tokens": "many"}},
        {"que": "large"},
    ],
    ids=str,
)
def test_a_route_that_nobody_could_take_is_refused(api: Served, route: dict[str, Any]) -> None:
    """The answer is 422 and the incident keeps the plan that it had."""
    api.scene.take_in(failed_event())
    path = f"/api/v1/incidents/{api.scene.incident.id}/plan"
    assert api.ask("POST", path, plan(plan="reroute", route=route)).status_code == 422
    assert api.scene.incident.plan is None


def test_a_plan_decided_on_an_older_revision_conflicts(api: Served) -> None:
    """409 that says which revision stands; nothing has changed."""
    api.scene.take_in(failed_event())
    path = f"/api/v1/incidents/{api.scene.incident.id}/plan"
    api.ask("POST", path, plan())
    problem = refused(api.ask("POST", path, plan(execution_id="e-2")), 409, "conflict")
    assert "revision 2" in problem["detail"]
    assert api.scene.incident.plan.execution_id == "e-1"


def test_a_plan_for_a_closed_incident_conflicts(api: Served) -> None:
    """409 when nothing is left to decide."""
    api.scene.take_in(failed_event())
    api.ask("POST", RETRY, ASKED)
    api.scene.answer(api.scene.release())
    assert api.scene.incident.state is IncidentState.RECOVERED
    path = f"/api/v1/incidents/{api.scene.incident.id}/plan"
    refused(api.ask("POST", path, plan()), 409, "conflict")


def test_a_plan_for_nobody_is_not_found(api: Served) -> None:
    """404 for an incident that is not there, 422 for an id that is none."""
    refused(api.ask("POST", f"/api/v1/incidents/{uuid4()}/plan", plan()), 404, "not-found")
    refused(api.ask("POST", "/api/v1/incidents/7/plan", plan()), 422, "invalid-request")


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": "pray"},
        {"plan": "reroute"},
        {"plan": "cron_backoff"},
        {"revision": 0},
        {"revision": None},
        {"execution_id": ""},
        {"execution_id": "e" * 65},
        {"reason": "\x00"},
        {"pace": {"in_flight": 0}},
        {"pace": {"in_flight": 10_001}},
        {"pace": {"speed": 1}},
        {"gate": {"factor": 0.5}},
        {"gate": {"factor": "Infinity"}},
        {"gate": {"first_after_seconds": -1}},
        {"gate": {"first_after_seconds": "NaN"}},
        {"gate": {"max_distance_seconds": 0}},
        {"gate": {"max_distance_seconds": 1e300}},
        {"gate": {"at": "2026-01-01T00:00:00"}},
        {"gate": {"at": "0001-01-01T00:00:00+14:00"}},
        {"gate": {"cron": "0 0 30 2 *"}},
        {"gate": {"cron": "* * * * * *"}},
        {"gate": {"cron": "* * * * *", "timezone": "Mars/Olympus"}},
        {"gate": {"cron": "* 12 * * *", "windows": ["13:00-14:00"]}},
        {"gate": {"cron": "* * * * *", "windows": ["at night"]}},
        {"gate": {"cron": "* * * * *", "blackouts": ["2026-13-01"]}},
        {"gate": {"cron": "* * * * *", "ladder": [{"after": 0, "cron": "0 * * * *"}]}},
        {"gate": {"cron": "* * * * *", "ladder": [{"after": 3, "cron": "never"}]}},
        {"gate": {"cron": "* * * * *", "misfire": "pray"}},
        {"gate": {"cron": "* * * * *", "misfire_grace_seconds": "Infinity"}},
        {"gate": {"windows": ["22:00-06:00"]}},
        {"gate": {"max_tries": 0}},
        {"route": {"queue": ""}},
        {"mood": "good"},
    ],
    ids=str,
)
def test_a_plan_that_nobody_could_carry_out_is_refused(api: Served, changes: dict[str, Any]) -> None:
    """422, and the incident stays undecided."""
    api.scene.take_in(failed_event())
    refused(api.ask("POST", f"/api/v1/incidents/{api.scene.incident.id}/plan", plan(**changes)), 422, "invalid-request")
    assert api.scene.incident.state is IncidentState.OPEN


def test_a_retry_of_what_cannot_be_published_again_is_refused(api: Served) -> None:
    """409 with the reason and what to do; nothing is recorded, and the failure's view says the same."""
    event = failed_event()
    redacted = {**event.data["message"], "redacted": ["kwargs.password"], "resolvable": False}
    api.scene.take_in(replace(event, data={**event.data, "message": redacted}))
    failure_id = event.data["failure_id"]
    problem = refused(api.ask("POST", RETRY, {"failure_id": failure_id, "reason": "now"}), 409, "not-redrivable")
    assert "kwargs.password" in problem["detail"]
    assert "resolver" in problem["detail"]
    shown = api.ask("GET", f"/api/v1/failures/{failure_id}").json()
    assert (shown["state"], shown["reason"]) == ("dead", problem["detail"])
    assert (shown["not_redrivable"], shown["attempts"]) == (problem["detail"], [])
