"""The event log's upkeep as a part: its settings, and how soon the next step comes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from eventbus.wire import LLM_CALL
from orchestrator.bootstrap.upkeep import BETWEEN_LOOKS, BETWEEN_STEPS, MUCH, paced, room_of
from orchestrator.domain.events import Lane, Passed
from orchestrator.domain.room import Room
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.eventlog.upkeep import LogKeep
from orchestrator.settings import Settings
from tests.events import record

if TYPE_CHECKING:
    from pathlib import Path


def test_the_room_is_what_the_settings_say() -> None:
    """Bytes and reserve are those of the settings."""
    url = "sqlite:////tmp/x.sqlite"
    given = Settings(
        bus_url="redrive+sqlite:////tmp/bus.sqlite",
        ledger_url=url,
        eventlog_url=url,
        warehouse_url=url,
        stackstorm_url="http://127.0.0.1:9",
        eventlog_bytes=2**20,
        eventlog_reserve=0.25,
    )
    assert room_of(given) == Room(2**20, 0.25)
    assert room_of(given).for_all == 3 * 2**18


def test_it_steps_on_while_there_is_much_to_do(tmp_path: Path) -> None:
    """A backlog is worked off in steps, one soon after the other; then it rests."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    migrate(url)
    log = SqlEventLog(url)
    log.subscribe("warehouse", Subscription(frozenset({LLM_CALL})))
    log.append([record() for _ in range(MUCH)])
    step = paced(log.upkeep(LogKeep(timedelta(days=1), timedelta(days=1))))
    assert step() == BETWEEN_LOOKS
    log.advance("warehouse", Lane.PRIORITY, MUCH, epoch=1, passed=Passed(datetime.now(UTC)))
    assert step() == BETWEEN_STEPS
    assert step() == BETWEEN_LOOKS
    log.close()
