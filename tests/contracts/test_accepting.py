"""What holds for events that come over HTTP, on every event log: each is answered for as the log has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from eventbus.wire import SPAN_ENDED
from orchestrator.api.ingest.envelopes import arrival_of
from orchestrator.api.ingest.messages import arrival_of as message_arrival
from orchestrator.domain.events import Lane
from orchestrator.domain.ids import derive
from orchestrator.domain.room import Room
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.accepting import Accepting, Arrival, Fate
from tests.events import event
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KINDS = ["memory", "sqlite", "postgresql"]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where an empty log of each kind lies; memory lies nowhere."""
    if request.param == "memory":
        return None
    found = f"sqlite:///{tmp_path}/e.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(found)
    return str(found)


@pytest.fixture
def scene(url: str | None) -> Iterator[Scene]:
    """Give an orchestrator around such a log."""
    log: Any = MemoryEventLog() if url is None else SqlEventLog(url)
    yield Scene(log=log)
    if url:
        log.close()


def fates(scene: Scene, *arrivals: Arrival) -> list[Fate]:
    """Hand events in."""
    return [each.fate for each in Accepting(scene.intake).accept(arrivals)]


def test_new_known_and_twice_are_told_apart(scene: Scene) -> None:
    """Whatever the log, a batch that is new in part is answered for event by event."""
    a, b, c = (Arrival(event(event_id=name)) for name in "abc")
    assert fates(scene, a) == [Fate.ACCEPTED]
    assert fates(scene, b, a, c, b) == [Fate.ACCEPTED, Fate.DUPLICATE, Fate.ACCEPTED, Fate.DUPLICATE]
    assert fates(scene, c, b, a) == [Fate.DUPLICATE] * 3


def test_what_the_log_cannot_hold_is_refused_alone_or_held(scene: Scene) -> None:
    """NUL where a column is text, times at the ends of the calendar: nothing is a fault, and no neighbour is lost."""
    spans = {
        "nul": {"organization_id": "a\0b"},
        "trace": {"trace_id": "\0" * 32},
        "long": {"organization_id": "x" * 9_000},
    }
    odd = [Arrival(event(SPAN_ENDED, data, event_id=name)) for name, data in spans.items()]
    ends = ("0001-01-02T00:00:00+00:00", "9999-12-30T23:59:59+00:00", "2026-11-20T12:00:00.1234567Z")
    for number, time in enumerate(ends):
        said = {"specversion": "1.0", "id": f"t{number}", "source": "urn:x", "type": "com.example.x", "time": time}
        made = arrival_of(said, NOW, suspect=False)
        assert isinstance(made, Arrival)
        odd.append(made)
    good = [Arrival(event(event_id="first")), Arrival(event(event_id="last"))]
    told = fates(scene, good[0], *odd, good[1])
    assert (told[0], told[-1]) == (Fate.ACCEPTED, Fate.ACCEPTED)
    assert set(told) <= {Fate.ACCEPTED, Fate.REFUSED}
    kept = [each.record for lane in Lane for each in scene.log.read(lane, 0, 100)]
    assert len(kept) == told.count(Fate.ACCEPTED)


def test_callers_at_once_are_each_answered_for(scene: Scene) -> None:
    """Eight callers with the same events and some of their own: each event is new for one of them only."""
    accepting = Accepting(scene.intake)

    def call(caller: int) -> list[Fate]:
        own = [Arrival(event(event_id=f"{caller}-{number}")) for number in range(10)]
        shared = [Arrival(event(event_id=f"s-{number}")) for number in range(10)]
        return [each.fate for each in accepting.accept([*own, *shared])]

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(call, range(8)))
    assert all(each[:10] == [Fate.ACCEPTED] * 10 for each in told)
    assert sum(each[10:].count(Fate.ACCEPTED) for each in told) == 10
    assert sum(len(scene.log.read(lane, 0, 1_000)) for lane in Lane) == 90


def test_a_full_log_takes_failures_and_says_when(url: str | None) -> None:
    """Beyond its bound the log has no room for spans; failures of the same batch go into its reserve."""
    room = Room(20_000, reserve=0.5)
    log: Any = MemoryEventLog(room=room) if url is None else SqlEventLog(url, room=room)
    scene = Scene(log=log)
    spans = [Arrival(event(SPAN_ENDED, {"pad": "x" * 1_000}, event_id=str(number))) for number in range(30)]
    told = [fates(scene, each)[0] for each in spans]
    assert (told[0], told[-1]) == (Fate.ACCEPTED, Fate.FULL)
    again = Accepting(scene.intake).accept([spans[-1], Arrival(failed_event(0)), spans[-2]])
    assert [each.fate for each in again] == [Fate.FULL, Fate.ACCEPTED, Fate.FULL]
    assert again[0].retry_after
    assert scene.incident.size == 1
    if url:
        log.close()


def test_a_message_is_kept_to_the_letter(scene: Scene) -> None:
    """What an SDK sent is read back from the log as it was sent."""
    sent = {"type": "track", "userId": "ann", "event": "é\0", "messageId": "m", "timestamp": NOW.isoformat()}
    sent |= {"properties": {"n": [1, 2.5, None, True, {"a": "\u2603"}], "big": 2**63}, "context": {"x": {}}}
    made = message_arrival(sent, "web", NOW, lambda: derive("m"), suspect=False)
    assert isinstance(made, Arrival)
    assert fates(scene, made) == [Fate.ACCEPTED]
    (stored,) = scene.log.read(Lane.TELEMETRY, 0, 10)
    assert orjson.loads(stored.record.body)["data"] == sent
    assert fates(scene, replace(made, body=b"{}")) == [Fate.DUPLICATE]
