"""What the API shows: incidents, failures, releases, counts, the mode, and how the orchestrator is."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from orchestrator.domain.errors import DependencyUnreachable, RedriveError, Unstorable
from orchestrator.domain.plan import PlanName, Route
from orchestrator.domain.routes.constraints import Constraints
from orchestrator.domain.routes.reading import table_of
from tests.recovery import NOON, failed_event
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    import requests

    from tests.unit.orchestrator.api.conftest import Served

TOKEN = {"Authorization": "Bearer s3cret"}


def pages(api: Served, path: str, name: str) -> list[list[Any]]:
    """Follow the links from page to page."""
    found: list[list[Any]] = []
    url: str | None = api.url + path
    while url:
        answer: requests.Response = api.ask("GET", url.removeprefix(api.url))
        assert answer.status_code == 200, answer.text
        found.append(answer.json()[name])
        url = answer.links.get("next", {}).get("url")
    return found


def test_incidents_are_paged_by_their_links(api: Served) -> None:
    """Each page names the next; together they show every incident once, newest first."""
    for number in range(5):
        api.scene.take_in(failed_event(number, task=f"app.call_{number}"))
        api.scene.later(1)
    found = pages(api, "/api/v1/incidents?limit=2", "incidents")
    assert [len(page) for page in found] == [2, 2, 1]
    assert [each["task"] for page in found for each in page] == [f"app.call_{number}" for number in (4, 3, 2, 1, 0)]


def test_an_attempt_shows_where_it_went_and_why(api: Served) -> None:
    """The target with its price, every candidate, and why each was refused; the release says why nothing goes."""
    target = {"name": "eu", "queue": "eu", "dependency": "d", "region": "eu", "usd_per_million_tokens": "0.15"}
    scene = api.scene
    scene.routes = table_of([{"task": "*", "targets": [target, {"name": "us", "queue": "us", "dependency": "d"}]}])
    route = Route(table=True, constraints=Constraints(regions=("eu",)))
    scene.take_in(*(failed_event(number) for number in range(5)))
    scene.plan(name=PlanName.REROUTE, route=route, execution_id="e-2")
    scene.release()
    scene.later(1000)
    scene.release()
    shown = api.ask("GET", f"/api/v1/incidents/{scene.incident.id}/failures").json()["failures"]
    decisions = [each["attempts"][0]["decision"] for each in shown if each["attempts"]]
    (elsewhere,) = [each for each in decisions if each["chosen"]["name"] == "eu"]
    assert (elsewhere["chosen"]["queue"], float(elsewhere["chosen"]["usd_per_million_tokens"])) == ("eu", 0.15)
    told = {each["name"]: (each["place"], each["refused"]) for each in elsewhere["candidates"]}
    assert told["eu"] == (1, None)
    assert told["us"] == (None, "its region is not declared")


def test_a_page_keeps_its_filter(api: Served) -> None:
    """The link to the next page asks for the same states and the same length."""
    for number in range(3):
        api.scene.take_in(failed_event(number, task=f"app.call_{number}"))
    api.scene.plan()
    found = pages(api, "/api/v1/incidents?limit=1&state=open&state=waiting", "incidents")
    assert [each["state"] for page in found for each in page] == ["open", "open"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "state=broken",
        "cursor=7",
        "cursor=1b76fc9e-6ebf-4ed4-a3fc-531ea0090cef",
        "cursor=%00",
    ],
)
def test_a_list_that_cannot_be_given_is_refused(api: Served, query: str) -> None:
    """422 for limits, states and cursors that are none: never the first page again."""
    refused(api.ask("GET", f"/api/v1/incidents?{query}"), 422, "invalid-request")


def test_an_incident_is_shown_with_all_that_belongs_to_it(api: Served) -> None:
    """Plan, note, triggers, releases with their counts, and how many failures are open."""
    api.scene.take_in(failed_event(0), failed_event(1))
    api.scene.plan()
    api.scene.release()
    api.scene.later(1)
    api.scene.release()
    shown = api.ask("GET", f"/api/v1/incidents/{api.scene.incident.id}").json()
    assert (shown["state"], shown["size"], shown["open_failures"]) == ("planned", 2, 2)
    assert (shown["plan"]["name"], shown["plan"]["execution_id"]) == ("retry", "e-1")
    assert [each["trigger"] for each in shown["dispatches"]] == ["redrive.incident_opened"]
    assert "payload" not in shown["dispatches"][0]
    (release,) = shown["releases"]
    assert (release["state"], release["outcome"], release["attempts"]) == ("canary", None, 1)
    assert api.ask("GET", f"/api/v1/releases/{release['id']}").json() == release


def test_failures_are_shown_with_their_attempts_and_without_their_bodies(api: Served) -> None:
    """An incident lists its failures page by page; a failure shows the same by its id; no body is shown."""
    api.scene.take_in(*(failed_event(number) for number in range(3)))
    path = f"/api/v1/incidents/{api.scene.incident.id}/failures"
    found = [each for page in pages(api, f"{path}?limit=2", "failures") for each in page]
    assert [each["task_id"] for each in found] == ["t0", "t1", "t2"]
    assert api.ask("GET", f"/api/v1/failures/{found[0]['id']}").json() == found[0]
    shown = {
        "exchange": "",
        "routing_key": "celery",
        "bytes": 78,
        "claimed": False,
        "redacted": [],
        "resolvable": False,
    }
    assert found[0]["message"] == shown | {"sealed": False, "missing": False, "purged_at": None}
    assert found[0]["not_redrivable"] is None
    refused(api.ask("GET", f"{path}?cursor={uuid4()}"), 422, "invalid-request")


def test_a_failure_tells_what_it_was_part_of_and_its_incident_that_a_chord_has_failed(api: Served) -> None:
    """The chord, its body and what can be done stand in the failure; the incident says that there are such failures."""
    body = [[1], {}, {"chain": None, "chord": {"task": "app.total", "options": {"task_id": "b-1"}}}]
    event = failed_event()
    message = event.data["message"] | {"body": b64encode(json.dumps(body).encode()).decode()}
    api.scene.take_in(failed_event(message=message), failed_event(1))
    path = f"/api/v1/incidents/{api.scene.incident.id}"
    member, other = (each["canvas"] for each in api.ask("GET", f"{path}/failures").json()["failures"])
    assert (member["member_of"], member["chord"]) == (["chord"], {"body": "app.total", "body_id": "b-1"})
    assert member["what_can_be_done"]
    assert (other["member_of"], other["why_late"], other["unknown"]) == ([], None, None)
    assert "1 of the failures looked at were part of a chord (body: app.total)" in api.ask("GET", path).json()["canvas"]


def test_a_failure_tells_its_way_its_evidence_and_what_it_waits_for(api: Served) -> None:
    """The way, the kind with its reason, every report, the wait for the broker with its age, why one is dead."""
    lost = {"captured": "child_killed", "redelivery": True, "started_at": NOON.isoformat()}
    missing = failed_event(1).data["message"] | {"missing": True}
    api.scene.take_in(failed_event(0, **lost), failed_event(0, captured="orphaned"), failed_event(1, message=missing))
    api.scene.later(30)
    waits, dead = (
        api.ask("GET", f"/api/v1/failures/{failed_event(number).data['failure_id']}").json() for number in (0, 1)
    )
    assert (waits["state"], waits["captured"], waits["kind"]) == ("redelivery_pending", "child_killed", "worker_lost")
    assert waits["why"] == "its worker process was killed while it ran [way]"
    assert (waits["evidence"]["ways"], waits["evidence"]["reports"]) == (["child_killed", "orphaned"], 2)
    assert waits["pending"]["age_seconds"] == 30
    assert (dead["state"], dead["pending"]) == ("dead", None)
    assert "never reached Redrive" in dead["reason"]
    shown = api.ask("GET", f"/api/v1/incidents/{waits['incident_id']}").json()
    assert (shown["captured"], shown["open_failures"], shown["dead_failures"]) == ("child_killed", 1, 1)
    asked = {"failure_id": waits["id"], "reason": "now"}
    assert "the broker" in refused(api.ask("POST", "/recovery/retry", asked), 409, "conflict")["detail"]


@pytest.mark.parametrize(
    "path", ["incidents/{}", "incidents/{}/failures", "failures/{}", "releases/{}", "recovery/retries/{}", "nothing/{}"]
)
def test_what_is_not_there_is_not_found(api: Served, path: str) -> None:
    """404 for every id that nobody knows, and for every path that there is not."""
    refused(api.ask("GET", f"/api/v1/{path.format(uuid4())}"), 404, "not-found")


def test_a_method_that_is_not_allowed_names_those_that_are(api: Served) -> None:
    """405 is a problem as well, with the Allow header."""
    answer = api.ask("DELETE", "/api/v1/mode")
    refused(answer, 405, "invalid-request")
    assert answer.headers["Allow"]


def test_the_mode_is_shown_and_switched(api: Served) -> None:
    """Until somebody sets one the settings' mode holds; a mode that is none is refused."""
    assert api.ask("GET", "/api/v1/mode").json() == {"mode": "observe"}
    assert api.ask("PUT", "/api/v1/mode", {"mode": "paused"}).json() == {"mode": "paused"}
    assert api.ask("GET", "/api/v1/mode").json() == {"mode": "paused"}
    for body in ({"mode": "fast"}, {}, {"mode": "act", "why": "so"}):
        refused(api.ask("PUT", "/api/v1/mode", body), 422, "invalid-request")


def test_the_counts_are_shown(api: Served) -> None:
    """Sinks with whether they add up; first retries; failures and incidents by state; the mode."""
    api.scene.take_in(failed_event(0), failed_event(1))
    sinks = api.ask("GET", "/api/v1/sinks").json()
    assert [each["adds_up"] for each in sinks.values()] == [True, True]
    assert (sinks["warehouse"]["accepted"], sinks["warehouse"]["filtered"]) == (2, 2)
    first = {"first_attempts": 0, "first_successes": 0, "first_in_flight": 0, "never_released": 2, "duplicates": 0}
    assert api.ask("GET", "/api/v1/first-retry").json() == first
    assert api.ask("GET", "/api/v1/summary").json() == {
        "failures": {"held": 2},
        "incidents": {"open": 1},
        "first_retry": first,
        "mode": "observe",
    }


def test_readiness_names_what_is_away_and_liveness_does_not_care(api: Served) -> None:
    """/readyz is 503 with the check that fails and when to ask again; livez stays 200; back again, it is ready."""

    def away() -> None:
        raise DependencyUnreachable("the ledger", "so")

    def behind() -> None:
        raise RedriveError("expected the newest migration")

    assert api.ask("GET", "/readyz").json() == {"status": "ready", "checks": {}, "sinks": {}}
    api.checks |= {"ledger": away, "migrations": behind, "bus": lambda: None}
    answer = api.ask("GET", "/readyz?verbose")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    checks = answer.json()["checks"]
    assert (answer.json()["status"], checks["bus"]) == ("unready", "ok")
    assert "the ledger cannot be reached" in checks["ledger"]
    assert checks["migrations"] == "expected the newest migration"
    assert api.ask("GET", "/livez").json() == {"status": "alive"}
    api.checks.clear()
    assert api.ask("GET", "/readyz").status_code == 200


def test_a_sink_that_is_away_degrades_and_no_more(api: Served) -> None:
    """A failing sink is named, and the orchestrator stays ready: what it takes in waits in the log."""

    def away() -> None:
        raise DependencyUnreachable("the warehouse", "so")

    api.sink_checks |= {"warehouse": away}
    answer = api.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "the warehouse cannot be reached" in answer.json()["sinks"]["warehouse"]


def test_the_release_and_the_metrics_are_shown(api: Served) -> None:
    """/version names the release, /metrics is Prometheus' text, /openapi.json lists the paths."""
    assert re.fullmatch(r"\d+\.\d+.*", api.ask("GET", "/version").json()["version"])
    assert api.ask("GET", "/metrics").headers["content-type"].startswith("text/plain")
    assert "/recovery/retry" in api.ask("GET", "/openapi.json").json()["paths"]


class Away:
    """A ledger that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def transaction(self) -> None:
        """Raise."""
        raise self.error


def test_a_ledger_that_is_away_is_unavailable(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, for a kind of it as well; nothing of a traceback."""

    class Timeout(DependencyUnreachable):
        """A kind of it."""

    for error in (DependencyUnreachable("the ledger", "so"), Timeout("the ledger", "so")):
        monkeypatch.setattr(api.scene.ledger, "reading", Away(error).transaction)
        answer = api.ask("GET", "/api/v1/mode")
        refused(answer, 503, "unavailable")
        assert answer.headers["Retry-After"] == "5"


def test_values_that_no_database_holds_are_the_sender_s(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """422 where the ledger refuses what it was given for good."""
    monkeypatch.setattr(api.scene.ledger, "transaction", Away(Unstorable("ledger", "so")).transaction)
    refused(api.ask("PUT", "/api/v1/mode", {"mode": "act"}), 422, "invalid-request")


def test_a_fault_of_ours_is_a_problem_without_its_secrets(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 names the class of the error and nothing that it says; the log has the rest."""
    monkeypatch.setattr(api.scene.ledger, "reading", Away(KeyError("postgresql://u:secret@h")).transaction)
    with capture_logs() as logged:
        answer = api.ask("GET", "/api/v1/mode")
    problem = refused(answer, 500, "internal")
    assert [(each["event"], each["path"]) for each in logged] == [("request.failed", "/api/v1/mode")]
    assert "KeyError" in problem["detail"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_a_problem_carries_the_caller_s_trace(api: Served) -> None:
    """The trace id of W3C Trace Context is taken over; without one there is none."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    header = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert refused(api.ask("GET", "/nothing", headers=header), 404, "not-found")["trace_id"] == trace
    for odd in ({}, {"traceparent": "odd"}):
        assert refused(api.ask("GET", "/nothing", headers=odd), 404, "not-found")["trace_id"] is None


GUARDED = [
    ("GET", "/api/v1/incidents"),
    ("GET", "/api/v1/mode"),
    ("PUT", "/api/v1/mode"),
    ("POST", "/recovery/retry"),
    ("POST", "/api/v1/recovery/retry"),
    ("POST", "/api/v1/incidents/1b76fc9e-6ebf-4ed4-a3fc-531ea0090cef/plan"),
    ("GET", "/api/v1/sinks"),
    ("PUT", "/api/v1/sinks/warehouse/circuit"),
    ("GET", "/api/v1/events"),
    ("POST", "/api/v1/events/replay"),
    ("POST", "/api/v1/events/discard"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_token_that_is_set_is_required(guarded: Served, method: str, path: str) -> None:
    """401 without the token, with another one, or with another scheme; the answer says how to send it."""
    for header in ("", "Bearer ", "Bearer wrong", "Basic s3cret", "s3cret", "Bearer s3cret2", "Bearer \xe9"):
        answer = guarded.ask(method, path, headers={"Authorization": header.encode("latin-1")} if header else {})
        refused(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "s3cret" not in answer.text
    assert guarded.ask(method, path, headers=TOKEN).status_code != 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version", "/metrics"])
def test_health_needs_no_token(guarded: Served, path: str) -> None:
    """What a supervisor asks is answered without one."""
    assert guarded.ask("GET", path).status_code == 200


def test_a_command_says_who_gave_it(guarded: Served) -> None:
    """With a token the actor is its holder."""
    guarded.scene.take_in(failed_event())
    answer = guarded.ask("POST", "/recovery/retry", {"task_id": "t0", "reason": "now"}, headers=TOKEN)
    shown = guarded.ask("GET", answer.headers["Location"], headers=TOKEN).json()
    assert shown["actor"] == "token"


def test_every_problem_has_its_section_in_the_documentation() -> None:
    """Each page that a problem's type names is a heading of docs/problems.md."""
    root = Path(__file__).parents[4]
    headings = set(re.findall(r"^## (\S+)$", (root / "docs/problems.md").read_text(), re.MULTILINE))
    source = (root / "orchestrator/api/problems.py").read_text()
    named = set(
        re.findall(r'"((?:[a-z]+-)?(?:found|conflict|request|reused|unauthorized|unavailable|internal|large))"', source)
    )
    assert {"not-found", "conflict", "invalid-request", "too-large", "internal"} <= named
    assert named <= headings
