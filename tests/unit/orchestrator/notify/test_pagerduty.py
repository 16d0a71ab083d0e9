"""PagerDuty against a server that checks events as its API does: one incident for each key, until it is resolved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.alerts import Action, Notice
from orchestrator.domain.incidents import Severity
from orchestrator.domain.notifying import NotSent, Sent
from orchestrator.notify.pagerduty import PagerDutyNotifier
from tests.pagers import ROUTING_KEY, dead_port, pagerduty

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pagers import PagerDuty

NOTICE = Notice(
    key="redrive-1",
    action=Action.TRIGGER,
    severity=Severity.ERROR,
    title="[ERROR] model: 3 failures of app.call",
    text="level phone: 3 failures",
    at="2026-11-25T03:00:00+00:00",
    commands=("redrive incidents show 1",),
    details={"size": 3, "dependency": "model", "usd_cost": None},
)


@pytest.fixture
def server() -> Iterator[PagerDuty]:
    """A PagerDuty."""
    with pagerduty() as running:
        yield running


def telling(server: PagerDuty, key: str = ROUTING_KEY) -> PagerDutyNotifier:
    """Make what tells it."""
    return PagerDutyNotifier("pager", key, 1.0, server.url)


def test_a_page_has_all_that_the_api_asks_for(server: PagerDuty) -> None:
    """Summary, source, severity and key; what is known of it as details."""
    assert telling(server).notify(NOTICE) == Sent()
    (event,) = server.posts
    assert (event["event_action"], event["dedup_key"]) == ("trigger", "redrive-1")
    payload = event["payload"]
    assert (payload["summary"], payload["severity"]) == (NOTICE.title, "error")
    assert payload["custom_details"]["next"] == ["redrive incidents show 1"]
    assert "usd_cost" not in payload["custom_details"]


def test_one_key_is_one_incident_until_it_is_resolved(server: PagerDuty) -> None:
    """Levels and updates wake nobody again; acknowledging and resolving find it by its key."""
    pager = telling(server)
    for action in (Action.TRIGGER, Action.TRIGGER, Action.UPDATE):
        assert pager.notify(replace(NOTICE, action=action)) == Sent()
    assert (server.pages, len(server.incidents["redrive-1"].log)) == (1, 2)
    pager.notify(replace(NOTICE, action=Action.ACKNOWLEDGE))
    assert server.incidents["redrive-1"].status == "acknowledged"
    pager.notify(replace(NOTICE, action=Action.RESOLVE))
    assert server.incidents["redrive-1"].status == "resolved"


@pytest.mark.parametrize("reopened", [True, False])
def test_an_update_of_what_was_resolved_there_wakes_nobody(server: PagerDuty, *, reopened: bool) -> None:
    """Here it opened again, or somebody resolved it at PagerDuty: a trigger for its key would be a new incident."""
    pager = telling(server)
    for action in (Action.TRIGGER, Action.RESOLVE):
        pager.notify(replace(NOTICE, action=action))
    assert pager.notify(replace(NOTICE, action=Action.UPDATE, reopened=reopened)) == Sent()
    assert server.pages == 1


def test_long_and_hostile_text_is_cut_and_shown(server: PagerDuty) -> None:
    """A summary of any length is taken, and no control character arrives."""
    hostile = "\x1b]0;x\x07" + "a" * 5_000 + "\u202e"
    assert telling(server).notify(replace(NOTICE, title=hostile, text=hostile)) == Sent()
    summary = server.posts[0]["payload"]["summary"]
    assert len(summary) == 1024
    assert summary.startswith("\\x1b]0;x\\x07a")
    assert "\x1b" not in server.posts[0]["payload"]["custom_details"]["text"]


def test_a_wrong_event_is_final_and_a_throttled_one_waits(server: PagerDuty) -> None:
    """400 is about this event; 429 says how long to wait; 500 and a redirection are tried again."""
    wrong = telling(server, "other").notify(NOTICE)
    assert isinstance(wrong, NotSent)
    assert wrong.final
    assert "routing_key" in wrong.reason
    server.status, server.retry_after = 429, "7"
    assert telling(server).notify(NOTICE) == NotSent("PagerDuty answered 429: down", retry_after=7.0)
    server.retry_after = None
    for status in (500, 302, 200):
        server.status = status
        answer = telling(server).notify(NOTICE)
        assert isinstance(answer, NotSent)
        assert (answer.final, answer.retry_after) == (False, None)


def test_who_does_not_answer_is_late_and_who_is_away_is_told_without_the_key(server: PagerDuty) -> None:
    """A time-out is told as such; no reason has the routing key in it."""
    server.hung = True
    late = PagerDutyNotifier("pager", ROUTING_KEY, 0.1, server.url).notify(NOTICE)
    away = PagerDutyNotifier("pager", ROUTING_KEY, 1.0, f"http://127.0.0.1:{dead_port()}/").notify(NOTICE)
    assert isinstance(late, NotSent)
    assert isinstance(away, NotSent)
    assert (late.late, away.late) == (True, False)
    assert ROUTING_KEY not in late.reason + away.reason
