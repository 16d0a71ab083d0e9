"""What an operator sees and does with events over HTTP: sinks, lists, replays, discards, why."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from eventbus.wire import COMMAND_RECORDED, LLM_CALL, TASK_FAILED
from orchestrator.domain.circuits import CircuitState, Standing
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Answer, Lane, Passed, Refusal
from orchestrator.domain.subscriptions import Subscription
from orchestrator.flows.conservation import Conserver, Pattern
from orchestrator.flows.replaying import Replayer
from orchestrator.sinks.memory import MemorySink
from tests.contracts.test_replays import Open
from tests.events import event, record
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.orchestrator.api.conftest import Served

EVENTS = "/api/v1/events"
REPLAY = f"{EVENTS}/replay"
DISCARD = f"{EVENTS}/discard"
WHY = {"reason": "the column is wider now"}
KEY = {"Idempotency-Key": "k1"}


@pytest.fixture
def desk(api: Served) -> Served:
    """Three calls and a failure: the warehouse refused the first, has the second; the third waits."""
    log = api.scene.log
    for sink in ("warehouse", "rudderstack"):
        log.subscribe(sink, Subscription(frozenset({LLM_CALL})))
    log._clock = api.scene.clock
    log.append([record(event(kind)) for kind in (LLM_CALL, TASK_FAILED, LLM_CALL, LLM_CALL)])
    why = {1: Refusal("it is NaN", "data.cost")}
    log.advance("warehouse", Lane.PRIORITY, 3, epoch=1, passed=Passed(api.scene.now, why, attempts=2))
    api.held.add(log.read(Lane.PRIORITY, 0, 4)[2].record.key)
    return api


def keys(api: Served) -> list[str]:
    """Give the keys in the order of the log."""
    return [str(each.record.key) for each in api.scene.log.read(Lane.PRIORITY, 0, 10)]


def send(api: Served) -> MemorySink:
    """Let the warehouse's replayer run once."""
    sink = MemorySink("warehouse", {LLM_CALL})
    Replayer(api.desk.replays, sink, Open(), lambda: 0.0).run_once(api.scene.now)
    return sink


def commands(api: Served) -> list[dict[str, Any]]:
    """Give what the audit was told."""
    with api.scene.ledger.transaction() as tx:
        return [each["data"] for _, each in tx.outbox(1000) if each["type"] == COMMAND_RECORDED]


def test_a_sink_s_account_is_shown(desk: Served) -> None:
    """Counts that add up, the age of what waits longest, each circuit and its next try, the last error, the rate."""
    later = desk.scene.now + timedelta(seconds=20)
    desk.desk.circuits.save(Standing("warehouse/priority", CircuitState.OPEN, desk.scene.now, 1, later, None, "503"))
    desk.scene.log.note_answer(Answer("warehouse", Lane.PRIORITY, 1, 3, "failure", "503", desk.scene.now))
    desk.scene.later(5)
    told = desk.ask("GET", "/api/v1/sinks").json()["warehouse"]
    sums = ("accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead", "adds_up")
    assert [told[each] for each in sums] == [4, 1, 0, 3, 1, 1, 1, True]
    assert told["oldest_seconds"] == 5.0
    assert told["circuits"]["priority"]["state"] == "open"
    assert told["circuits"]["priority"]["next_try_seconds"] == 15.0
    assert told["circuits"]["telemetry"] == {
        "state": "closed",
        "next_try_at": None,
        "next_try_seconds": 0.0,
        "reason": None,
        "forced": None,
    }
    assert (told["last_error"]["outcome"], told["last_error"]["detail"]) == ("failure", "503")
    assert told["delivered_per_second"] is None
    desk.scene.log.advance("warehouse", Lane.PRIORITY, 4, epoch=1, passed=Passed(desk.scene.now))
    desk.scene.later(10)
    again = desk.ask("GET", "/api/v1/sinks").json()["warehouse"]
    assert (again["delivered_per_second"], again["oldest_seconds"]) == (0.1, 0.0)


def test_the_sums_are_shown_by_hour(desk: Served) -> None:
    """Each hour of acceptance has its own sum; an hour in which nothing came is left out; a sink must be known."""
    told = desk.ask("GET", "/api/v1/sinks/warehouse/hours").json()["hours"]
    assert [(each["accepted"], each["dead"], each["adds_up"]) for each in told] == [(4, 1, True)]
    assert desk.ask("GET", "/api/v1/sinks/warehouse/hours?until=2000-01-01T00:00:00Z").json()["hours"] == []
    refused(desk.ask("GET", "/api/v1/sinks/nothing/hours"), 404, "not-found")


def test_a_circuit_is_held_and_let_go(desk: Served) -> None:
    """Both lanes or one, by whose word and why; the audit has it."""
    path = "/api/v1/sinks/warehouse/circuit"
    assert desk.ask("PUT", path, {"state": "open", "reason": "a deploy"}).json()["circuits"] == [
        "warehouse/priority",
        "warehouse/telemetry",
    ]
    circuit = desk.ask("GET", "/api/v1/sinks").json()["warehouse"]["circuits"]["telemetry"]
    assert circuit["forced"] == {"state": "open", "by": "unauthenticated on loopback", "reason": "a deploy"}
    desk.ask("PUT", path, {"state": "auto", "lane": "telemetry", "reason": "deployed"})
    circuits = desk.ask("GET", "/api/v1/sinks").json()["warehouse"]["circuits"]
    assert (circuits["telemetry"]["forced"], circuits["priority"]["forced"]["state"]) == (None, "open")
    assert [(each["command"], each["after"]) for each in commands(desk)] == [
        ("circuit", {"warehouse/priority": "open", "warehouse/telemetry": "open"}),
        ("circuit", {"warehouse/telemetry": "auto"}),
    ]
    refused(desk.ask("PUT", "/api/v1/sinks/no/circuit", {"state": "open", "reason": "x"}), 404, "not-found")


def left_over(desk: Served) -> str:
    """Let a sink that the settings do not name have refused the first call; two wait for it. Gives its path."""
    log = desk.scene.log
    log.subscribe("acme", Subscription(frozenset({LLM_CALL})))
    log.advance("acme", Lane.PRIORITY, 1, epoch=1, passed=Passed(desk.scene.now, {1: Refusal("no")}))
    return "/api/v1/sinks/acme"


def test_a_sink_that_the_settings_do_not_name_is_shown(desk: Served) -> None:
    """It is listed with what waits for it, by hour too, and its dead letters with the others': an operator sees it."""
    path = left_over(desk)
    told = desk.ask("GET", "/api/v1/sinks").json()
    assert {name: each["configured"] for name, each in told.items()} == {
        "warehouse": True,
        "rudderstack": True,
        "acme": False,
    }
    assert (told["acme"]["pending"], told["acme"]["dead"], told["acme"]["adds_up"]) == (2, 1, True)
    assert [each["pending"] for each in desk.ask("GET", f"{path}/hours").json()["hours"]] == [2]
    assert len(desk.ask("GET", f"{EVENTS}?dead=true&sink=acme").json()["dead_letters"]) == 1
    refused(desk.ask("PUT", f"{path}/circuit", {"state": "open", "reason": "x"}), 404, "not-found")


def test_a_sink_that_is_gone_is_forgotten(desk: Served) -> None:
    """Shown first; done by a person's name, with what was given up in the audit; then it is known no longer."""
    path = left_over(desk)
    asked = f"{path}?by=ada&reason=moved"
    dry = desk.ask("DELETE", f"{asked}&dry_run=true").json()
    assert (dry["dry_run"], dry["pending"], dry["dead"], commands(desk)) == (True, 2, 1, [])
    assert "acme" in desk.ask("GET", "/api/v1/sinks").json()
    done = desk.ask("DELETE", asked).json()
    assert (done["sink"], done["by"], done["pending"], done["dead"]) == ("acme", "ada", 2, 1)
    assert list(desk.ask("GET", "/api/v1/sinks").json()) == ["warehouse", "rudderstack"]
    (told,) = commands(desk)
    assert (told["command"], told["actor"], told["reason"]) == ("forget", "unauthenticated on loopback", "moved")
    assert (told["before"]["sink"], told["before"]["pending"], told["before"]["dead"]) == ("acme", 2, 1)
    assert told["after"] == {"forgotten_by": "ada"}
    refused(desk.ask("DELETE", asked), 404, "not-found")


@pytest.mark.parametrize("dry", ["", "&dry_run=true"], ids=["done", "shown"])
def test_a_sink_of_the_settings_is_not_forgotten(desk: Served, dry: str) -> None:
    """409 with what to do first; nothing is given up and nothing recorded."""
    answer = desk.ask("DELETE", f"/api/v1/sinks/warehouse?by=ada&reason=x{dry}")
    refused(answer, 409, "conflict")
    assert "take it out of the settings" in answer.json()["detail"]
    assert (desk.desk.log.counts("warehouse").dead, commands(desk)) == (1, [])


@pytest.mark.parametrize("part", ["relay-acme-priority", "relay-acme-telemetry", "replay-acme"])
def test_a_sink_that_another_orchestrator_serves_is_not_forgotten(desk: Served, part: str) -> None:
    """While one whose settings differ leads any part of it; once that one's lead has run out, it is forgotten."""
    asked = f"{left_over(desk)}?by=ada&reason=x"
    with desk.scene.ledger.transaction() as tx:
        tx.lease(part, "another", desk.scene.now, 10.0, takeover=False)
    refused(desk.ask("DELETE", asked), 409, "conflict")
    assert desk.desk.log.counts("acme").pending == 2
    desk.scene.later(11)
    assert desk.ask("DELETE", asked).status_code == 200


@pytest.mark.parametrize("query", ["", "by=ada", "reason=x", "by=ada&reason=", "by=ada&reason=x&force=true"])
def test_a_sink_is_forgotten_by_somebody_and_for_a_reason(desk: Served, query: str) -> None:
    """Without a name or a reason, or with a parameter that is none, nothing is done."""
    refused(desk.ask("DELETE", f"{left_over(desk)}?{query}"), 422, "invalid-request")
    assert desk.desk.log.counts("acme").pending == 2


def test_events_and_dead_letters_are_listed_in_pages(desk: Served) -> None:
    """Newest first; the link leads on; with a sink each event says how it stands there."""
    first = desk.ask("GET", f"{EVENTS}?limit=3&sink=warehouse")
    assert [(each["seq"], each["state"]) for each in first.json()["events"]] == [
        (4, "pending"),
        (3, "delivered"),
        (2, "filtered"),
    ]
    rest = desk.ask("GET", first.links["next"]["url"].removeprefix(desk.url)).json()["events"]
    assert [each["key"] for each in rest] == keys(desk)[:1]
    page = desk.ask("GET", f"{EVENTS}?dead=true&limit=1")
    (letter,) = page.json()["dead_letters"]
    assert (letter["sink"], letter["reason"], letter["field"], letter["attempts"]) == (
        "warehouse",
        "it is NaN",
        "data.cost",
        2,
    )
    assert desk.ask("GET", page.links["next"]["url"].removeprefix(desk.url)).json() == {"dead_letters": []}


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "until=0001-01-01T00:00:00Z", "cursor=1:a&dead=false", "sort=up", "since=yesterday", "limit=0"],
)
def test_a_list_that_cannot_be_read_is_refused(desk: Served, query: str) -> None:
    """A cursor of another list, a parameter that would filter nothing, a time that is none."""
    refused(desk.ask("GET", f"{EVENTS}?{query}"), 422, "invalid-request")


def test_a_replay_is_accepted_once(desk: Served) -> None:
    """202 and a resource; the same key gives the same answer; what is delivered is dead no longer."""
    refused(desk.ask("POST", REPLAY, WHY), 400, "invalid-request")
    first, again = (desk.ask("POST", REPLAY, WHY, headers=KEY) for _ in range(2))
    assert (first.status_code, first.json()["sinks"]) == (202, {"warehouse": 1})
    assert again.text == first.text
    refused(desk.ask("POST", REPLAY, {"reason": "other"}, headers=KEY), 422, "key-reused")
    running = desk.ask("GET", first.headers["Location"]).json()
    assert (running["state"], running["sinks"]["warehouse"]["waiting"]) == ("running", 1)
    send(desk)
    ended = desk.ask("GET", first.headers["Location"]).json()
    assert (ended["state"], ended["sinks"]["warehouse"]["delivered"]) == ("ended", 1)
    assert desk.ask("GET", "/api/v1/sinks").json()["warehouse"]["dead"] == 0
    refused(desk.ask("POST", REPLAY, WHY, headers={"Idempotency-Key": "k2"}), 409, "conflict")
    (told,) = commands(desk)
    assert (told["command"], told["after"]["events"]) == ("replay", {"warehouse": 1})
    assert [each["id"] for each in desk.ask("GET", f"{EVENTS}/replays").json()["replays"]] == [first.json()["id"]]


def test_a_replay_is_cancelled(desk: Served) -> None:
    """Its resource says so, by whose word and why; dead letters stay dead; the audit has it, once."""
    place = desk.ask("POST", REPLAY, WHY, headers=KEY).headers["Location"]
    told = desk.ask("DELETE", f"{place}?reason=the+wrong+day").json()
    assert (told["state"], told["cancelled"]) == (
        "cancelled",
        {"actor": "unauthenticated on loopback", "reason": "the wrong day"},
    )
    assert told["sinks"]["warehouse"] == {"waiting": 0, "delivered": 0, "refused": 0, "cancelled": 1}
    assert desk.ask("GET", place).json()["state"] == "cancelled"
    assert send(desk).events == []
    assert desk.ask("GET", "/api/v1/sinks").json()["warehouse"]["dead"] == 1
    assert [each["command"] for each in commands(desk)] == ["replay", "cancel"]
    assert commands(desk)[1]["before"]["waiting"] == 1
    refused(desk.ask("DELETE", f"{place}?reason=again"), 409, "conflict")
    assert len(commands(desk)) == 2


def test_only_a_replay_that_is_there_is_cancelled(desk: Served) -> None:
    """404 for an id of none, 422 without a reason."""
    path = f"{EVENTS}/replays/00000000-0000-7000-8000-000000000000"
    refused(desk.ask("DELETE", f"{path}?reason=x"), 404, "not-found")
    refused(desk.ask("DELETE", path), 422, "invalid-request")


def test_a_dry_run_tells_and_keeps_nothing(desk: Served) -> None:
    """How many would go, where to, and the first of them."""
    dry = desk.ask("POST", REPLAY, {**WHY, "dry_run": True})
    assert dry.status_code == 200
    told = dry.json()
    assert (told["events"], told["sinks"], told["first"][0]["key"]) == (1, {"warehouse": 1}, keys(desk)[0])
    delivered = {**WHY, "dead": False, "event_ids": keys(desk)[2:3], "dry_run": True}
    assert desk.ask("POST", REPLAY, delivered).json()["sinks"] == {"warehouse": 1}
    assert (desk.desk.replays.replays(10), commands(desk)) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        {"patch": {"id": "other"}},
        {"patch": {"type": "other", "data": {}}},
        {"pace": 0},
        {"dead": False},
        {"event_ids": []},
        {"what": 1},
        {"patch": {"data": {"n": 10**30}}},
        {"patch": {"data": {"n": float("nan")}}},
        {"patch": {"data": {"n": "\ud800"}}},
        {"since": "0001-01-01T00:00:00+14:00"},
    ],
    ids=str,
)
def test_a_replay_that_cannot_be_is_refused(desk: Served, body: dict[str, Any]) -> None:
    """A patch that would make another event, a pace of nothing, the whole log, a field that is not known."""
    sent = json.dumps({**WHY, **body})  # requests itself refuses what JSON has not
    headers = {**KEY, "Content-Type": "application/json"}
    refused(requests.post(desk.url + REPLAY, sent, headers=headers, timeout=10), 422, "invalid-request")


def test_a_patch_is_sent_and_told(desk: Served) -> None:
    """The sink gets the event patched; why tells by whose word, with which patch and in which trace."""
    desk.ask("POST", REPLAY, {**WHY, "patch": {"data": {"user_id": "u-1"}}}, headers=KEY)
    (sent,) = send(desk).events
    assert b'"user_id":"u-1"' in sent.record.body
    warehouse, _ = desk.ask("GET", f"{EVENTS}/{keys(desk)[0]}/why").json()["sinks"]
    assert warehouse["state"] == "delivered"
    (replay,) = warehouse["replays"]
    assert (replay["state"], replay["asked_because"], replay["patch"]) == (
        "delivered",
        WHY["reason"],
        {"data": {"user_id": "u-1"}},
    )
    assert replay["traceparent"].startswith("00-")


def test_a_person_gives_dead_letters_up_by_name(desk: Served) -> None:
    """They stay dead in the sum, are listed with who and why, are not sent again; the audit names the person."""
    refused(desk.ask("POST", DISCARD, WHY), 422, "invalid-request")
    body = {**WHY, "by": "ada", "event_ids": [keys(desk)[0]]}
    assert desk.ask("POST", DISCARD, {**body, "dry_run": True}).json()["events"] == 1
    assert desk.ask("POST", DISCARD, body).json()["discarded"] == 1
    refused(desk.ask("POST", DISCARD, body), 409, "conflict")
    told = desk.ask("GET", "/api/v1/sinks").json()["warehouse"]
    assert (told["dead"], told["adds_up"]) == (1, True)
    (letter,) = desk.ask("GET", f"{EVENTS}?dead=true").json()["dead_letters"]
    assert (letter["discarded"]["actor"], letter["discarded"]["reason"]) == ("ada", WHY["reason"])
    refused(desk.ask("POST", REPLAY, WHY, headers=KEY), 409, "conflict")
    (audit,) = commands(desk)
    assert (audit["command"], audit["after"]) == ("discard", {"discarded_by": "ada"})


def test_many_dead_letters_are_given_up_once(desk: Served) -> None:
    """A key is needed where they are not named one by one; the same again is answered the same, and does no more."""
    body = {**WHY, "by": "ada", "sink": "warehouse"}
    refused(desk.ask("POST", DISCARD, body), 400, "invalid-request")
    answers = [desk.ask("POST", DISCARD, body, headers=KEY) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["discarded"] == 1
    refused(desk.ask("POST", DISCARD, {**body, "by": "bob"}, headers=KEY), 422, "key-reused")
    assert len(commands(desk)) == 1


def test_not_everything_is_given_up_by_leaving_words_out(desk: Served) -> None:
    """A discard that names nothing at all is refused, shown first or not."""
    for dry_run in (True, False):
        body = {**WHY, "by": "ada", "dry_run": dry_run}
        refused(desk.ask("POST", DISCARD, body, headers=KEY), 422, "invalid-request")
    assert commands(desk) == []


SPAN = {"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"}


def test_a_time_that_ends_before_it_begins_is_refused(desk: Served) -> None:
    """It would be empty for ever, and look as if nothing was wrong."""
    for path, body in ((REPLAY, WHY), (DISCARD, {**WHY, "by": "ada"}), ("/api/v1/sinks/reconcile", {})):
        refused(desk.ask("POST", path, {**body, **SPAN}, headers=KEY), 422, "invalid-request")
    for path in (EVENTS, "/api/v1/sinks/warehouse/hours"):
        refused(desk.ask("GET", f"{path}?since={SPAN['since']}&until={SPAN['until']}"), 422, "invalid-request")
    refused(desk.ask("POST", "/api/v1/sinks/reconcile", {"since": "2999-01-01T00:00:00Z"}), 422, "invalid-request")


def test_two_days_are_looked_at_before_the_end_that_was_named(desk: Served) -> None:
    """An end alone, long ago, has its own two days."""
    (asked,) = desk.ask("POST", "/api/v1/sinks/reconcile", {"until": "2020-01-03T00:00:00Z"}).json()["reconciliations"]
    assert asked["since"].startswith("2020-01-01T00:00:00")


def test_why_tells_of_each_sink(desk: Served) -> None:
    """Dead with reason, field and attempts; delivered with its row; filtered; pending; by key and by id."""
    told = [desk.ask("GET", f"{EVENTS}/{each}/why").json()["sinks"] for each in keys(desk)]
    assert [[each["state"] for each in sinks] for sinks in told] == [
        ["dead", "pending"],
        ["filtered", "filtered"],
        ["delivered", "pending"],
        ["pending", "pending"],
    ]
    assert [sinks[0]["row"] for sinks in told] == [False, False, True, False]
    assert told[0][1]["row"] is None
    assert (told[0][0]["dead_letter"]["field"], told[0][0]["dead_letter"]["attempts"]) == ("data.cost", 2)
    whole = desk.ask("GET", f"{EVENTS}/{keys(desk)[0]}").json()
    assert whole["event"]["data"]["gen_ai.request.model"] == "gpt-4o"
    refused(desk.ask("GET", f"{EVENTS}/nothing/why"), 404, "not-found")


def test_why_is_told_while_the_warehouse_is_away(desk: Served) -> None:
    """What the log knows is told; whether the row is there is not known."""

    def away(_keys: object) -> set[UUID]:
        raise DependencyUnreachable("the warehouse", "so")

    desk.desk.holders["warehouse"] = away  # type: ignore[index]  # a mapping that the fixture made
    told = desk.ask("GET", f"{EVENTS}/{keys(desk)[2]}/why").json()["sinks"][0]
    assert (told["state"], told["row"]) == ("delivered", None)


def test_an_event_is_found_by_its_own_id(desk: Served) -> None:
    """Whatever characters it has; two sources with one id want the key."""
    one = event(LLM_CALL, None, "a/b why?")
    other = type(one)(one.id, "urn:redrive:other", one.type, one.time, one.data)
    desk.scene.log.append([record(one)])
    found = desk.ask("GET", f"{EVENTS}/a%2Fb%20why%3F/why")
    assert found.json()["id"] == "a/b why?"
    desk.scene.log.append([record(other)])
    assert desk.ask("GET", f"{EVENTS}/a%2Fb%20why%3F").status_code == 409


def test_the_warehouse_is_held_against_the_log(desk: Served) -> None:
    """Asked for and listed; what it found missing is sent again, and dead letters are not missing."""
    desk.scene.later(10)
    asked = desk.ask("POST", "/api/v1/sinks/reconcile", {})
    assert asked.status_code == 202, asked.text
    desk.held.clear()
    desk.scene.later(600)
    conserver = Conserver(
        desk.desk.reconciliations, desk.desk.replays, desk.scene.ledger, desk.desk.holders, Pattern(timedelta(0))
    )
    conserver.run_once(desk.scene.now)
    (done,) = desk.ask("GET", "/api/v1/sinks/reconciliations").json()["reconciliations"]
    assert (done["id"], done["checked"], done["missing"]) == (asked.json()["reconciliations"][0]["id"], 1, 1)
    assert send(desk).events[0].seq == 3
