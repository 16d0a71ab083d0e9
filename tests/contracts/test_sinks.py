"""What every sink must do, on memory, the warehouse (SQLite, PostgreSQL) and RudderStack (the local data plane)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import pytest
import requests
import sqlalchemy as sa

from eventbus.wire import LLM_CALL
from orchestrator.domain.events import Deferred, Delivered, EventRecord, Refusal, Rejected
from orchestrator.sinks.memory import MemorySink
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse.schema import STORE, migrate, model_cost_logs
from tests.events import record, stored
from tests.gateway import WRITE_KEY, dataplane

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.events import StoredEvent
    from orchestrator.domain.ports import Sink


class Destination(Protocol):
    """A sink and what is behind it."""

    @property
    def sink(self) -> Sink:
        """The sink."""

    def arrived(self) -> list[str]:
        """List the row keys that arrived, duplicates too."""

    def refuse(self, event: StoredEvent) -> EventRecord:
        """Make a record that this destination refuses for good."""

    def fail(self) -> None:
        """Make the destination fail from now on."""


class Memory:
    """The in-memory sink, told what to answer."""

    def __init__(self) -> None:
        self.sink = MemorySink("memory", [LLM_CALL])

    def arrived(self) -> list[str]:
        """List what it kept."""
        return [str(event.record.key) for event in self.sink.events]

    def refuse(self, event: StoredEvent) -> EventRecord:
        """Tell it to reject."""
        self.sink.answer_next(Rejected({event.seq: Refusal("poison")}))
        return event.record

    def fail(self) -> None:
        """Tell it to defer."""
        self.sink.answer_next(Deferred("down"))


class Warehouse:
    """The warehouse in a real database."""

    def __init__(self, url: str) -> None:
        migrate(url)
        self.sink = WarehouseSink(url)
        self._engine = STORE.open(url)

    def arrived(self) -> list[str]:
        """List the rows."""
        with self._engine.connect() as connection:
            return list(connection.execute(sa.select(model_cost_logs.c.id)).scalars())

    def refuse(self, event: StoredEvent) -> EventRecord:
        """Make a call without a provider."""
        return _with_body(event.record, b'{"data": {"gen_ai.request.model": "m"}}')

    def fail(self) -> None:
        """Take the table away."""
        with self._engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE model_cost_logs RENAME TO gone"))

    def close(self) -> None:
        """Close both engines."""
        self.sink.close()
        self._engine.dispose()


class RudderStack:
    """RudderStack as the local data plane plays it."""

    def __init__(self, url: str) -> None:
        self.sink = RudderStackSink(url, WRITE_KEY, 10.0)
        self._url = url

    def arrived(self) -> list[str]:
        """List the deliveries."""
        listed = requests.get(f"{self._url}/messages", params={"limit": "1000"}, timeout=10).json()
        return [each["message"]["messageId"] for each in listed]

    def refuse(self, event: StoredEvent) -> EventRecord:
        """Make an event larger than the gateway takes."""
        return _with_body(event.record, b'{"data": {"task_id": "%s"}}' % (b"x" * 4_100_000))

    def fail(self) -> None:
        """Take the write key away."""
        self.sink = RudderStackSink(self._url, "revoked", 10.0)


def _with_body(record: EventRecord, body: bytes) -> EventRecord:
    return EventRecord(record.key, record.id, record.source, record.type, record.time, record.lane, body)


@contextmanager
def _warehouse(url: str) -> Iterator[Destination]:
    made = Warehouse(url)
    yield made
    made.close()


@pytest.fixture(params=["memory", "warehouse on sqlite", "warehouse on postgresql", "rudderstack"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
    """Give each sink with what is behind it."""
    if request.param == "memory":
        yield Memory()
    elif request.param == "rudderstack":
        with dataplane(tmp_path) as server:
            yield RudderStack(server.url)
    else:
        sqlite = f"sqlite:///{tmp_path}/warehouse.sqlite"
        with _warehouse(sqlite if "sqlite" in request.param else request.getfixturevalue("postgres")) as made:
            yield made


def keys(*records: EventRecord) -> list[str]:
    """Give the row keys of records."""
    return sorted(str(each.key) for each in records)


def test_it_says_what_it_takes(destination: Destination) -> None:
    """A sink has a name, and takes the cost of model calls."""
    assert destination.sink.name
    assert LLM_CALL in destination.sink.types


def test_a_delivered_batch_has_arrived(destination: Destination) -> None:
    """Delivered means that every event of the batch is there, under its row key."""
    given = [record() for _ in range(5)]
    assert destination.sink.deliver(stored(*given)) == Delivered()
    assert sorted(destination.arrived()) == keys(*given)


def test_the_same_batch_again_brings_no_new_key(destination: Destination) -> None:
    """A batch that is repeated after a crash arrives under the same keys."""
    given = [record() for _ in range(3)]
    for _ in range(2):
        assert destination.sink.deliver(stored(*given)) == Delivered()
    assert sorted(set(destination.arrived())) == keys(*given)


def test_one_poison_event_is_rejected_alone(destination: Destination) -> None:
    """The culprit is named by its number with a reason; the others of its batch arrive."""
    good, bad = [record() for _ in range(4)], record()
    refused = destination.refuse(stored(bad, first=3)[0])
    answer = destination.sink.deliver(stored(*good[:2], refused, *good[2:]))
    assert isinstance(answer, Rejected)
    assert list(answer.refusals) == [3]
    assert answer.refusals[3].reason
    assert sorted(destination.arrived()) == keys(*good)


def test_a_destination_that_fails_defers_the_batch(destination: Destination) -> None:
    """Whatever goes wrong on the other side, nothing is raised and nothing is given up."""
    destination.fail()
    answer = destination.sink.deliver(stored(record()))
    assert isinstance(answer, Deferred)
    assert answer.reason
