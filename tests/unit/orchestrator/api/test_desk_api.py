"""What an operator sees of events and sinks over HTTP: accounts, lists, why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from eventbus.wire import LLM_CALL
from orchestrator.domain.circuits import CircuitState, Standing
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Answer, Lane, Passed
from orchestrator.flows.conservation import Conserver, Pattern
from tests.events import event, record
from tests.unit.orchestrator.api.desk import DISCARD, EVENTS, KEY, REPLAY, WHY, keys, left_over, send
from tests.unit.orchestrator.api.test_recovery_api import refused

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.orchestrator.api.conftest import Served

SPAN = {"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"}


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


def test_a_time_that_ends_before_it_begins_is_refused(desk: Served) -> None:
    """It would be empty for ever, and look as if nothing was wrong."""
    for path, body in ((REPLAY, WHY), (DISCARD, {**WHY, "by": "ada"}), ("/api/v1/sinks/reconcile", {})):
        refused(desk.ask("POST", path, {**body, **SPAN}, headers=KEY), 422, "invalid-request")
    for path in (EVENTS, "/api/v1/sinks/warehouse/hours"):
        refused(desk.ask("GET", f"{path}?since={SPAN['since']}&until={SPAN['until']}"), 422, "invalid-request")
    refused(desk.ask("POST", "/api/v1/sinks/reconcile", {"since": "2999-01-01T00:00:00Z"}), 422, "invalid-request")


def test_who_has_the_warehouse_held_against_the_log_is_in_the_audit(desk: Served) -> None:
    """By whom, why, which sink and which hours."""
    desk.ask("POST", "/api/v1/sinks/reconcile", {"until": "2020-01-03T00:00:00Z", "reason": "a doubt"})
    (entry,) = desk.ask("GET", "/api/v1/audit").json()["entries"]
    assert (entry["verb"], entry["sink"], entry["reason"]) == ("reconcile", "warehouse", "a doubt")
    assert entry["after"] == {"since": "2020-01-01T00:00:00+00:00", "until": "2020-01-03T00:00:00+00:00"}


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
