"""The outbox: what is born in the ledger reaches the event log once, in the form that its schema says."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import jsonschema_rs
import orjson
import pytest

from eventbus.wire import SPAN_ENDED, Event, from_mapping, schema_text
from orchestrator.domain.auditing import SOURCE
from orchestrator.domain.events import Lane
from orchestrator.eventlog.schema import STORE
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.filing import record_of
from orchestrator.flows.outbox import OutboxCopier
from tests.recovery import failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path


class Killed(BaseException):
    """The process dies here."""


def lived() -> Scene:
    """Give a scene that every event of the ledger was born in."""
    scene = Scene()
    scene.take_in(failed_event(0), failed_event(1))
    with scene.ledger.transaction() as tx:
        command_retry(tx, RetryRequest("ann", "now", task_id="t1"), uuid4(), scene.now)
    scene.answer(scene.release())
    scene.plan()
    scene.release()
    scene.later(1)
    scene.answer(scene.release())
    scene.release()
    return scene


def copied(scene: Scene) -> list[str]:
    """Copy the outbox, and name what was born in the ledger and is in the log by now."""
    copier = OutboxCopier(scene.ledger, scene.log)
    while copier.run_once():
        pass
    events = [from_mapping(orjson.loads(each.record.body)) for each in scene.log.read(Lane.PRIORITY, 0, 1000)]
    return [each.type for each in events if each.source == "urn:redrive:orchestrator"]


def test_every_event_of_the_ledger_reaches_the_log() -> None:
    """All that was born in the ledger is copied in its order, and the outbox is empty afterwards."""
    scene = lived()
    born = scene.outbox()
    assert copied(scene) == born
    assert scene.outbox() == []
    assert {each.removeprefix("redrive.") for each in born} == {
        "incident.opened.v1",
        "incident.planned.v1",
        "incident.closed.v1",
        "attempt.recorded.v1",
        "release.ended.v1",
        "command.recorded.v1",
        "audit.recorded.v1",
    }


def test_every_event_of_the_ledger_is_what_its_schema_says() -> None:
    """The data of each event satisfies the JSON Schema that it names."""
    scene = lived()
    with scene.ledger.transaction() as tx:
        born = [event for _, event in tx.outbox(1000)]
    for event in born:
        jsonschema_rs.validate(orjson.loads(schema_text(event["type"])), event["data"])
        assert event["dataschema"] == f"urn:redrive:schema:{event['type']}"


def test_a_death_between_copying_and_clearing_copies_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was copied and not cleared is copied again, and the log knows each event once."""
    scene = lived()
    born = scene.outbox()
    with scene.ledger.transaction() as tx:
        rows = type(tx)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(rows, "clear_outbox", die)
        with pytest.raises(Killed):
            OutboxCopier(scene.ledger, scene.log).run_once()
    assert scene.outbox() == born
    assert copied(scene) == born


def test_an_empty_outbox_is_nothing_to_do() -> None:
    """Nothing is copied where nothing was born."""
    scene = Scene()
    assert OutboxCopier(scene.ledger, scene.log).run_once() == 0


def test_an_event_of_another_source_under_the_same_id_takes_no_event_away(tmp_path: Path) -> None:
    """The ids of ours follow from what they tell of, so others may know them: ours is filed under a key of its own."""
    scene = lived()
    with scene.ledger.reading() as tx:
        born = [from_mapping(event) for _, event in tx.outbox(1000)]
    url = f"sqlite:///{tmp_path}/events.sqlite"
    STORE.migrate(url)
    log = SqlEventLog(url)
    log.append([record_of(Event(born[0].id, "urn:evil", SPAN_ENDED, born[0].time, {}))])
    for _ in range(2):  # as after a crash between copying and clearing
        with scene.ledger.reading() as tx:
            rows = tx.outbox(1000)
        OutboxCopier(scene.ledger, log).run_once()
        with scene.ledger.transaction() as tx:
            for _, event in rows[:1]:
                tx.emit(from_mapping(event))
    OutboxCopier(scene.ledger, log).run_once()
    held = [each.record.id for lane in Lane for each in log.read(lane, 0, 1000) if each.record.source == SOURCE]
    assert sorted(held) == sorted(each.id for each in born)
    log.close()
