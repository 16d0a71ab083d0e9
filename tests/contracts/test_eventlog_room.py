"""A log that is full, on memory, SQLite and PostgreSQL: telemetry is refused, the reserve is for what is urgent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eventbus.wire import SPAN_ENDED, TASK_FAILED, TASK_OUTCOMES, WORKER_SEEN
from orchestrator.domain.errors import LogFull
from orchestrator.domain.events import Lane
from orchestrator.domain.room import ROW_BYTES, Held, Room
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from tests.events import event, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import EventRecord


def span() -> EventRecord:
    """Make a span."""
    return record(event(SPAN_ENDED, {}))


def failure() -> EventRecord:
    """Make a failure."""
    return record(event(TASK_FAILED, {}))


SIZE = max(len(each.body) + ROW_BYTES for each in (span(), failure()))
# Four events for everybody, and two more in the reserve.
ROOM = Room(6 * SIZE, reserve=1 / 3)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryEventLog | SqlEventLog]:
    """Give an empty log of each kind, with little room."""
    if request.param == "memory":
        yield MemoryEventLog(room=ROOM)
        return
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    made = SqlEventLog(url, room=ROOM)
    yield made
    made.close()


def test_a_full_log_refuses_telemetry_whole_and_keeps_a_reserve(log: MemoryEventLog | SqlEventLog) -> None:
    """Beyond the room for all nothing of a batch with telemetry is stored; failures go on, until that is full too."""
    log.append([span() for _ in range(4)])
    with pytest.raises(LogFull) as full:
        log.append([failure(), span()])
    assert full.value.retry_after > 0
    assert log.read(Lane.PRIORITY, 0, 10) == []
    log.append([failure(), record(event(TASK_OUTCOMES, {}))])
    with pytest.raises(LogFull):
        log.append([failure()])
    assert len(log.read(Lane.PRIORITY, 0, 10)) == 1


def test_what_it_holds_is_counted_with_each_commit(log: MemoryEventLog | SqlEventLog) -> None:
    """Events and bytes are those of the rows; an event that is there already is not counted again."""
    one, two = span(), failure()
    log.append([one])
    log.append([one, two])
    assert log.held() == Held(2, len(one.body) + len(two.body))


def test_what_recovery_lives_on_is_urgent(log: MemoryEventLog | SqlEventLog) -> None:
    """Heartbeats and counts of workers go into the reserve too, though they are of the telemetry lane."""
    log.append([span() for _ in range(4)])
    log.append([record(event(WORKER_SEEN, {}))])
    log.append([record(event(TASK_OUTCOMES, {}))])
    assert len(log.read(Lane.TELEMETRY, 0, 10)) == 6
