"""A page's whole way: from an incident's row to PagerDuty, Slack and a mailbox, whoever of them is away."""

from __future__ import annotations

import random
import signal
from contextlib import ExitStack
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from structlog.testing import capture_logs

from orchestrator.alert_settings.tables import AlertsTable
from orchestrator.bootstrap.alerts import alert_sinks
from orchestrator.breaker import Breaker
from orchestrator.domain.events import Lane
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.schema import STORE as EVENTLOG
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.forwarding import Relay
from orchestrator.flows.outbox import OutboxCopier
from orchestrator.ledger.schema import STORE as LEDGER
from orchestrator.warehouse.schema import STORE as WAREHOUSE
from tests.alerting import Desk
from tests.gateway import dataplane
from tests.pagers import ROUTING_KEY, SLACK_URL, Mail, PagerDuty, Slack, mail, pagerduty, slack
from tests.relaying import on_sqlite, relaying, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.ports import EventLog

TIMEOUT = 0.5


class World:
    """Everybody who can be told, an orchestrator that tells them, and a clock that a test moves."""

    def __init__(self, slack: Slack, box: Mail, pager: PagerDuty) -> None:
        self.slack, self.mail, self.pager = slack, box, pager
        self.table = AlertsTable.model_validate(table(box.url, pager.url))
        self.desk = Desk(self.table.watch())
        self.log = MemoryEventLog()
        self.epoch = 0
        for entry in alert_sinks(self.table):
            self.log.subscribe(entry.name, entry.subscription)
        self.restart()

    def restart(self) -> None:
        """Forget all that a process keeps in memory."""
        self.epoch += 1
        self.relays = relays(self.log, self.table, self.epoch)

    def rested(self) -> None:
        """Let the minute be over for which a target that failed is asked last."""
        for relay in self.relays:
            for link in relay.sink._sink.chain:  # type: ignore[attr-defined]
                link.resting_until = 0.0

    def tell(self) -> None:
        """Copy what is to be told into the log, and have each relay move what it can move now."""
        OutboxCopier(self.desk.ledger, self.log).run_once()
        for relay in self.relays:
            while relay.run_once(datetime.now(UTC)) is None:
                pass

    def look(self, seconds: float = 0) -> None:
        """Let time pass for the ladder, and tell."""
        self.desk.look(seconds)
        self.tell()

    def subjects(self) -> list[str]:
        """Give the mails' subjects."""
        return [str(each["Subject"]) for each in self.mail.got]


def table(mail_url: str, pager_url: str) -> dict[str, Any]:
    """Make a table of two levels: Slack, else mail; then PagerDuty, else mail."""
    bounded = {"timeout_seconds": TIMEOUT, "fallback": ["mail"]}
    return {
        "default": "night",
        "targets": {
            "slack": {"kind": "apprise", "url": SLACK_URL} | bounded,
            "mail": {"kind": "apprise", "url": mail_url},
            "pager": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": pager_url} | bounded,
        },
        "ladders": {
            "night": {
                "levels": [
                    {"name": "chat", "targets": ["slack"]},
                    {"name": "phone", "targets": ["pager"], "unanswered_seconds": 600, "size": 1000},
                ]
            }
        },
    }


def relays(log: EventLog, settings: AlertsTable, epoch: int) -> list[Relay]:
    """Make the relay of each target, as an orchestrator does."""
    return [
        Relay(
            log,
            entry.sink,
            entry.subscription,
            Lane.PRIORITY,
            Breaker(entry.name, random.random),
            lambda: epoch,
            random.random,
            entry.limits,
        )
        for entry in alert_sinks(settings)
    ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Slack, a mail server and PagerDuty, all well."""
    with ExitStack() as stack:
        servers = stack.enter_context(slack(monkeypatch)), stack.enter_context(mail()), stack.enter_context(pagerduty())
        yield World(*servers)


def test_an_incident_of_a_hundred_thousand_failures_pages_each_target_once(world: World) -> None:
    """One message in chat, one incident at PagerDuty, and their end; updates are few, and wake nobody."""
    incident = world.desk.open()
    for size in (1, 10, 100, 999, 1_000, 5_000, 50_000, 100_000):
        world.desk.change(incident.id, size=size)
        world.look(1)
    world.look(60)
    world.desk.close(incident.id)
    world.look(60)
    texts = world.slack.texts()
    assert [text.split(" ", 1)[0] for text in texts].count("[RESOLVED]") == 1
    assert len(texts) <= 4
    assert world.pager.pages == 1
    assert [each.status for each in world.pager.incidents.values()] == ["resolved"]
    assert world.mail.got == []


def down(server: Slack | PagerDuty, how: str) -> None:
    """Have a server refuse, hang or fail."""
    if how == "refused":
        server.shutdown()
        server.server_close()
    elif how == "hangs":
        server.hung = True
    else:
        server.status = 500


@pytest.mark.parametrize("how", ["refused", "hangs", "500"])
def test_slack_is_down_and_mail_arrives_within_its_time_out(world: World, how: str) -> None:
    """The fallback has the page within the time-out of the first, with room for a busy machine; PagerDuty as ever."""
    down(world.slack, how)
    world.desk.open(size=1_000)
    began = monotonic()
    world.look()
    took = monotonic() - began
    assert world.subjects() == ["[ERROR] model: 1,000 failures of app.call"]
    assert world.pager.pages == 1
    assert took < TIMEOUT + 5
    world.desk.open(dependency="other", size=2)
    began = monotonic()
    world.look()
    assert len(world.mail.got) == 2
    assert monotonic() - began < TIMEOUT + 5


def test_nobody_can_be_reached_and_no_page_is_lost(world: World) -> None:
    """It waits in the log over a restart, and goes once somebody is back; the end goes after it."""
    world.slack.status, world.pager.status = 503, 503
    away = "mailto://127.0.0.1:1?from=a@b.example&to=c@d.example"
    world.table = AlertsTable.model_validate(table(away, world.pager.url))
    world.restart()
    incident = world.desk.open(size=1_000)
    world.look()
    assert (world.slack.posts, world.pager.pages, world.mail.got) == ([], 0, [])
    world.slack.status, world.pager.status = None, None
    world.restart()
    world.tell()
    assert (len(world.slack.posts), world.pager.pages) == (1, 1)
    world.desk.close(incident.id)
    world.look(60)
    assert [each.status for each in world.pager.incidents.values()] == ["resolved"]
    assert len(world.slack.posts) == 2


def test_a_flapping_incident_wakes_pagerduty_once(world: World) -> None:
    """Each time that it opens again the same incident goes on there, quietly."""
    for _ in range(6):
        incident = world.desk.open(size=1_000)
        world.look(30)
        world.desk.close(incident.id)
        world.look(60)
    assert world.pager.pages == 1
    assert len(world.slack.posts) <= 13


def test_a_storm_is_one_page_and_an_acknowledgement_stops_it(world: World) -> None:
    """Fifty incidents of one dependency: one message, and nobody else is woken once somebody knows."""
    opened = [world.desk.open(signature=f"task {number}", size=2) for number in range(50)]
    world.look()
    assert len(world.slack.posts) == 1
    assert "50 incidents" in world.slack.texts()[0]
    for each in opened:
        world.desk.change(each.id, acknowledged_by="ann", acknowledged_at=world.desk.now)
    world.look(10)
    world.look(3600)
    assert (len(world.slack.posts), world.pager.pages) == (2, 0)


def test_a_page_that_went_to_mail_has_its_end_there_too(world: World) -> None:
    """Slack was down for the page, and is back for the end: both are told that it is over."""
    world.slack.status = 500
    incident = world.desk.open()
    world.look()
    world.slack.status = None
    world.rested()
    world.desk.close(incident.id)
    world.look(120)
    assert [each.split(" ", 1)[0] for each in world.subjects()] == ["[ERROR]", "[RESOLVED]"]
    assert [each.split(" ", 1)[0] for each in world.slack.texts()] == ["[RESOLVED]"]


def test_a_throttled_pagerduty_has_the_page_go_by_mail(world: World) -> None:
    """429 with Retry-After: it is not asked again at once, and the page does not wait for it."""
    world.pager.status, world.pager.retry_after = 429, "30"
    world.desk.open(size=1_000)
    world.look()
    assert len(world.mail.got) == 1


def test_no_secret_is_in_what_the_log_keeps(world: World) -> None:
    """Neither an event, nor an answer that is kept of a sink, nor a line that is written names a key or a URL."""
    world.slack.status, world.pager.status = 500, 500
    world.desk.open(size=1_000)
    with capture_logs() as lines:
        world.look()
    events = world.log.read(Lane.PRIORITY, 0, 100)
    kept = [each.record.body.decode() for each in events]
    kept += [str(answer) for each in events for answer in world.log.answers(each)]
    kept += [str(line) for line in lines]
    assert {"alert.told", "alert.not_told"} <= {line["event"] for line in lines}
    assert not any(secret in text for text in kept for secret in (ROUTING_KEY, SLACK_URL.split("/")[4]))


@pytest.mark.parametrize("number", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_relay_killed_in_the_middle_loses_no_page(tmp_path: Path, number: int) -> None:
    """SIGKILL between a delivery and its cursor: PagerDuty hears it once, or twice under one key: one incident."""
    stores = on_sqlite(tmp_path)
    for name, store in (("LEDGER", LEDGER), ("EVENTLOG", EVENTLOG), ("WAREHOUSE", WAREHOUSE)):
        store.migrate(stores[f"REDRIVE_{name}_URL"])
    with pagerduty() as pager, dataplane(tmp_path) as plane:
        settings = {
            "default": "night",
            "targets": {"pager": {"kind": "pagerduty", "routing_key": ROUTING_KEY, "url": pager.url}},
            "ladders": {"night": {"levels": [{"name": "phone", "targets": ["pager"]}]}},
        }
        known = AlertsTable.model_validate(settings)
        desk, log = Desk(known.watch()), SqlEventLog(stores["REDRIVE_EVENTLOG_URL"])
        for entry in alert_sinks(known):
            log.subscribe(entry.name, entry.subscription)
        desk.open()
        desk.look()
        (page,) = desk.told()
        OutboxCopier(desk.ledger, log).run_once()
        told = {"alerts": orjson.dumps(settings).decode(), "lease_seconds": 2}
        # Warehouse, RudderStack and PagerDuty each have the event: one of their deliveries is the last of the process.
        killed = {"failpoint": f"batch_delivered:{number}", "failpoint_log": str(tmp_path / "fired")}
        with relaying(tmp_path / "run", stores, plane.url, **told, **killed) as process:
            until("it was killed", lambda: process.poll() is not None)
            assert process.returncode == -signal.SIGKILL
        with relaying(tmp_path / "run", stores, plane.url, **told):
            until("the page is there", lambda: log.counts("alerts-pager").delivered == 1)
        log.close()
    assert pager.pages == 1
    assert {each["dedup_key"] for each in pager.posts} == {page["dedup_key"]}
    assert 1 <= len(pager.posts) <= 2
