"""What a person commands over HTTP: whole incidents, other places, holds, dry runs; and how dependencies are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eventbus.wire import COMMAND_RECORDED
from tests.recovery import failed_event
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served

RETRY = "/api/v1/recovery/retry"
REROUTE = "/api/v1/recovery/reroute"
WHY = {"reason": "the status page is wrong"}


def outage(api: Served, each: int = 9, **declared: Any) -> str:
    """Let tasks fail until their dependency counts as down, in mode act; gives the incident."""
    declaration = {"dependency": "model", "idempotent": True} | declared
    api.scene.take_in(*(failed_event(number, declaration=declaration) for number in range(each)))
    api.ask("PUT", "/api/v1/mode", {"mode": "act"})
    return str(api.scene.incident.id)


def commands(api: Served) -> list[dict[str, Any]]:
    """Give what the audit was told, but for the switch of the mode that a test begins with."""
    with api.scene.ledger.transaction() as tx:
        told = [event["data"] for _, event in tx.outbox(1000) if event["type"] == COMMAND_RECORDED]
        return [each for each in told if each["command"] != "mode"]


def test_all_of_an_incident_go_as_one_release(api: Served) -> None:
    """One command, one release, one canary; all follow it, and the audit has one entry."""
    incident = outage(api)
    answer = api.ask("POST", RETRY, {"incident_id": incident, **WHY}, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["failures"] == 9
    api.scene.later(10_000)
    (canary,) = api.scene.release()
    api.scene.answer([canary])
    out = api.scene.release()
    assert len(out) == 8
    api.scene.answer(out)
    api.scene.release()
    assert api.ask("GET", answer.headers["Location"]).json()["counts"]["first_successes"] == 9
    (told,) = commands(api)
    assert (told["command"], told["before"]["failures"], told["after"]) == ("retry", {"held": 9}, {"failures": 9})


def test_a_whole_incident_wants_a_key(api: Served) -> None:
    """400 without an Idempotency-Key; the same key gives the same answer, and no second release."""
    incident = outage(api)
    body = {"incident_id": incident, **WHY}
    refused(api.ask("POST", RETRY, body), 400, "invalid-request")
    assert api.scene.releases == []
    first, again = (api.ask("POST", RETRY, body, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.text, again.text) == (again.text, first.text)
    assert len(api.scene.releases) == 1
    refused(api.ask("POST", RETRY, body, headers={"Idempotency-Key": "k2"}), 409, "conflict")


def test_a_forced_command_says_what_it_overrode(api: Served) -> None:
    """The answer and the audit name what spoke against it; it goes at once, one that is not forced waits."""
    outage(api)
    api.ask("POST", "/api/v1/dependencies/model/hold", {"reason": "a deploy"})
    waits = api.ask("POST", RETRY, {"task_id": "t1", **WHY}).json()
    assert any("held by unauthenticated on loopback: a deploy" in each for each in waits["waits_for"])
    assert api.scene.release() == []
    forced = api.ask("POST", RETRY, {"task_id": "t2", "force": True, **WHY}).json()
    assert forced["overrides"] == waits["waits_for"]
    (attempt,) = api.scene.release()
    assert api.scene.attempt(attempt).task_id == "t2"
    _, one, other = commands(api)
    assert (one["forced"], other["forced"], other["reason"]) == (False, True, WHY["reason"])
    assert other["before"]["waits_for"] == waits["waits_for"]


@pytest.mark.parametrize("what", [{"task_id": "t1"}, {"incident_id": None}], ids=["one", "all"])
def test_a_dry_run_tells_and_records_nothing(api: Served, what: dict[str, Any]) -> None:
    """What would go, what it would wait for, what may run twice and how to declare it; nothing is recorded."""
    incident = outage(api, idempotent=False)
    body = {name: value or incident for name, value in what.items()}
    answer = api.ask("POST", RETRY, {**body, "dry_run": True, **WHY})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["eligible"], told["not_eligible"]) == (1 if "task_id" in what else 9, 0)
    assert told["dependency"]["health"] == "down"
    assert told["waits_for"] == []  # nothing is heard of it, so a canary may ask
    assert "@app.task(redrive={'idempotent': True})" in told["duplicates"][0]
    assert (api.scene.releases, commands(api)) == ([], [])


def test_a_dry_run_says_who_is_not_eligible_and_why(api: Served) -> None:
    """One that was asked for already, and one whose message never reached Redrive."""
    incident = outage(api, each=3)
    lost = failed_event(3)
    api.scene.take_in(failed_event(3, message=lost.data["message"] | {"missing": True}))
    api.ask("POST", RETRY, {"task_id": "t1", **WHY})
    told = api.ask("POST", RETRY, {"incident_id": incident, "dry_run": True, **WHY}).json()
    assert (told["eligible"], told["not_eligible"]) == (2, 2)
    whys = {each["task_id"]: each["why"] for each in told["refused"]}
    assert "nobody has asked for yet" in whys["t1"]
    assert "never reached Redrive" in whys["t3"]


def test_a_reroute_goes_to_the_queue_that_was_named(api: Served) -> None:
    """The failure is published there; a dry run before it shows the decision."""
    outage(api, each=1)
    body = {"task_id": "t0", "route": {"queue": "spare"}, **WHY}
    dry = api.ask("POST", REROUTE, {**body, "dry_run": True}).json()
    assert (dry["command"], dry["decision"]["chosen"]["queue"]) == ("reroute", "spare")
    assert api.ask("POST", REROUTE, body).status_code == 202
    api.scene.later(1_000)
    (attempt,) = api.scene.release()
    decision = api.scene.attempt(attempt).decision
    assert decision is not None
    assert decision.chosen is not None
    assert decision.chosen.queue == "spare"
    assert commands(api)[0]["command"] == "reroute"


def test_a_reroute_by_the_table_shows_why_nothing_is_open(api: Served) -> None:
    """Without a route in the request the table decides; an empty one has no candidate, and the dry run says so."""
    outage(api, each=1)
    dry = api.ask("POST", REROUTE, {"task_id": "t0", "dry_run": True, **WHY}).json()
    assert dry["decision"]["chosen"] is None


@pytest.mark.parametrize("what", ["dependencies/model", "incidents/{}"])
def test_a_hold_keeps_everything_back_until_it_is_released(api: Served, what: str) -> None:
    """Nothing goes while it is held, whatever time it is; who held it and why stands there, in the audit both."""
    path = f"/api/v1/{what.format(outage(api))}"
    api.scene.plan()
    refused(api.ask("POST", f"{path}/release", {"reason": "too early"}), 409, "conflict")
    dry = api.ask("POST", f"{path}/hold", {"reason": "a deploy", "dry_run": True}).json()
    assert dry["dry_run"] is True
    assert commands(api) == []
    held = api.ask("POST", f"{path}/hold", {"reason": "a deploy"})
    assert held.status_code == 200, held.text
    assert (held.json()["before"]["held_by"], held.json()["after"]["held_reason"]) == (None, "a deploy")
    for _ in range(5):
        api.scene.later(10_000)
        assert api.scene.release() == []
    assert "a deploy" in api.ask("GET", path).text
    assert api.ask("POST", f"{path}/release", {"reason": "deployed"}).json()["after"]["held_by"] is None
    api.scene.later(10_000)
    assert len(api.scene.release()) == 1
    assert [each["command"] for each in commands(api)] == ["hold", "release"]


def test_of_two_that_hold_one_incident_as_they_saw_it_the_second_is_told(api: Served) -> None:
    """409 with who was first and why, for a dry run too; nothing of the second is done, and a dependency has none."""
    path = f"/api/v1/incidents/{outage(api)}"
    seen = api.ask("GET", path).json()["revision"]
    first = api.ask("POST", f"{path}/hold", {"reason": "a deploy", "revision": seen})
    assert first.status_code == 200, first.text
    for verb, dry in [("hold", True), ("hold", False), ("release", False)]:
        late = api.ask("POST", f"{path}/{verb}", {"reason": "no, now", "revision": seen, "dry_run": dry})
        refused(late, 409, "conflict")
        assert late.json()["revision"] == seen + 1
        assert [(each["verb"], each["reason"]) for each in late.json()["changes"]] == [("hold", "a deploy")]
    assert [each["command"] for each in commands(api)] == ["hold"]
    again = api.ask("POST", f"{path}/release", {"reason": "deployed", "revision": seen + 1})
    assert again.json()["after"]["held_by"] is None
    refused(api.ask("POST", "/api/v1/dependencies/model/hold", {"reason": "x", "revision": 1}), 422, "invalid-request")


def test_what_nobody_knows_cannot_be_held(api: Served) -> None:
    """A slip in the name is 404, not a hold of nothing; a reason is required."""
    refused(api.ask("POST", "/api/v1/dependencies/modle/hold", {"reason": "a deploy"}), 404, "not-found")
    refused(api.ask("POST", "/api/v1/dependencies/model/hold", {}), 422, "invalid-request")
    refused(api.ask("GET", "/api/v1/dependencies/modle"), 404, "not-found")


def test_dependencies_are_listed_in_pages(api: Served) -> None:
    """By name, each once; a page that is full links to the next one."""
    names = ["a b&c", "d/e", "model", "z"]
    for number, name in enumerate(names):
        api.scene.take_in(failed_event(number, declaration={"dependency": name, "idempotent": True}))
    found, path = [], "/api/v1/dependencies?limit=3"
    while path:
        answer = api.ask("GET", path)
        found.append([each["name"] for each in answer.json()["dependencies"]])
        path = answer.links["next"]["url"].removeprefix(api.url) if "next" in answer.links else ""
    assert found == [names[:3], names[3:]]
    refused(api.ask("GET", "/api/v1/dependencies?limit=0"), 422, "invalid-request")


def test_all_open_incidents_of_a_dependency_are_counted(api: Served) -> None:
    """However many there are: those that are shown are a hundred at most."""
    kinds = [{"type": f"E{each}", "module": "app", "message": "x", "traceback": ""} for each in range(120)]
    api.scene.take_in(*(failed_event(number, exception=each) for number, each in enumerate(kinds)))
    shown = api.ask("GET", "/api/v1/dependencies/model").json()
    assert (shown["open_incidents"], len(shown["incidents"])) == (120, 100)


def test_a_dependency_shows_its_evidence_and_what_it_holds_back(api: Served) -> None:
    """Health, why, decayed counts, passes, ramp, budget, incidents and held failures; counts age while nobody fails."""
    incident = outage(api)
    api.scene.plan()
    api.scene.release()
    (listed,) = api.ask("GET", "/api/v1/dependencies").json()["dependencies"]
    shown = api.ask("GET", "/api/v1/dependencies/model").json()
    assert listed["health"] == shown["health"] == "down"
    assert (shown["evidence"]["failures"], shown["evidence"]["passes_needed"]) == (9.0, 3)
    assert (shown["open_incidents"], shown["held_failures"]) == (1, 9)
    assert [each["id"] for each in shown["incidents"]] == [incident]
    assert shown["budget"]["tokens"] == shown["budget"]["burst"]
    api.scene.later(30)
    assert api.ask("GET", "/api/v1/dependencies/model").json()["evidence"]["failures"] == 4.5


def test_the_tries_of_each_failure_come_from_the_instruction(api: Served) -> None:
    """A workflow's `tries_each` is the plan's; left out it is ten."""
    incident = outage(api, each=1)
    body = {"plan": "retry", "reason": "so", "execution_id": "e-1"}
    revision = api.scene.incident.revision
    body |= {"revision": revision, "pace": {"in_flight": 5, "tries_each": 3}}
    assert api.ask("POST", f"/api/v1/incidents/{incident}/plan", body).status_code == 202
    assert api.scene.incident.plan is not None
    assert (api.scene.incident.plan.pace.in_flight, api.scene.incident.plan.pace.tries_each) == (5, 3)


def test_what_may_not_run_twice_runs_once_for_each_command(api: Served) -> None:
    """Of a whole incident too: a canary that fails is listed as dead, the next one is another; none goes twice."""
    incident = outage(api, each=3, idempotent=False)
    body = {"incident_id": incident, **WHY}
    assert api.ask("POST", RETRY, body, headers={"Idempotency-Key": "k1"}).status_code == 202
    seen = []
    for _ in range(6):
        api.scene.later(10_000)
        out = api.scene.release()
        seen += [api.scene.attempt(each).task_id for each in out]
        api.scene.answer(out, "failed")
    assert sorted(seen) == ["t0", "t1", "t2"]
    assert api.ask("GET", f"/api/v1/incidents/{incident}").json()["dead_failures"] == 3
