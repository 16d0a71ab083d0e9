"""What an operator does with events and sinks over HTTP: replays, discards, circuits, sinks that are forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from eventbus.wire import LLM_CALL
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Lane, Passed
from orchestrator.domain.subscriptions import Subscription
from tests.unit.orchestrator.api.desk import DISCARD, EVENTS, KEY, REPLAY, WHY, commands, keys, left_over, send
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from tests.unit.orchestrator.api.conftest import Served


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


@pytest.mark.parametrize("what", ["replay", "discard", "forget"])
def test_an_end_between_both_stores_leaves_its_intent(desk: Served, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done to the event log and never told to the ledger stands in the audit as intended, by whom and why."""
    path = left_over(desk)
    asked: dict[str, tuple[str, str, dict[str, Any] | None]] = {
        "replay": ("POST", REPLAY, {"sink": "warehouse", **WHY}),
        "discard": ("POST", DISCARD, {"sink": "warehouse", "by": "ada", **WHY}),
        "forget": ("DELETE", f"{path}?by=ada&reason={WHY['reason']}", None),
    }
    with desk.scene.ledger.transaction() as tx:
        rows = type(tx)

    def die(*_: object) -> None:
        raise DependencyUnreachable("ledger", "it is gone")

    with monkeypatch.context() as patched:
        patched.setattr(rows, "add_command", die)
        method, where, body = asked[what]
        refused(desk.ask(method, where, body, headers=KEY), 503, "unavailable")
    assert commands(desk) == []
    (entry,) = desk.ask("GET", "/api/v1/audit").json()["entries"]
    assert (entry["verb"], entry["after"]["verb"], entry["reason"]) == ("intend", what, WHY["reason"])
    assert desk.ask("GET", "/api/v1/audit/verify").json()["holds"]


def test_an_intent_and_its_deed_are_two_entries(desk: Served) -> None:
    """Asked for once more under the same key, it is neither intended nor done again."""
    for _ in range(2):
        assert desk.ask("POST", REPLAY, {"sink": "warehouse", **WHY}, headers=KEY).status_code == 202
    deed, intent = desk.ask("GET", "/api/v1/audit").json()["entries"]
    assert (intent["verb"], deed["verb"]) == ("intend", "replay")
    assert intent["after"] == {"verb": "replay", "command_id": deed["id"], "sink": "warehouse"}


def test_a_replay_wakes_nobody_who_is_not_named(desk: Served) -> None:
    """What people were told is told again only where their sink is named, and the dry run counts so."""
    desk.scene.log.subscribe("alerts-ops", Subscription(frozenset({LLM_CALL})))
    last = desk.scene.log.read(Lane.PRIORITY, 0, 10)[-1].seq
    for sink in ("alerts-ops", "warehouse"):
        desk.scene.log.advance(sink, Lane.PRIORITY, last, epoch=1, passed=Passed(desk.scene.now, {}))
    object.__setattr__(desk.desk, "sinks", ("warehouse", "rudderstack", "alerts-ops"))
    body = {**WHY, "dead": False, "event_ids": keys(desk)}
    assert "alerts-ops" not in desk.ask("POST", REPLAY, {**body, "dry_run": True}).json()["sinks"]
    assert "alerts-ops" not in desk.ask("POST", REPLAY, body, headers=KEY).json()["sinks"]
    named = desk.ask("POST", REPLAY, {**body, "sink": "alerts-ops"}, headers={"Idempotency-Key": "k2"}).json()
    assert named["sinks"].keys() == {"alerts-ops"}
