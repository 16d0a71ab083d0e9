"""The publisher on every bus: confirmed, in order, out of the caller's way, and its own in each process."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import kombu
import pytest

import eventbus.transport  # noqa: F401 - registers redrive+sqlite://
from eventbus import topology, wire
from eventbus.publisher import MAX_EVENT_BYTES, Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10


@pytest.fixture(params=["memory", "sqlite", "rabbitmq", "redis"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty bus."""
    if request.param == "memory":
        return f"memory://{uuid4().hex}/"
    if request.param == "sqlite":
        return f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    return str(request.getfixturevalue({"rabbitmq": "rabbitmq", "redis": "redis_db"}[request.param]))


@pytest.fixture
def publisher(bus: str, tmp_path: Path) -> Iterator[Publisher]:
    """A publisher on that bus, closed afterwards."""
    publisher = Publisher(bus, tmp_path / "spool")
    yield publisher
    publisher.close()


@pytest.fixture(autouse=True)
def _clean_memory(bus: str) -> None:
    if bus.startswith("memory"):
        consume(bus)


def event(number: int, event_type: str = wire.TASK_FAILED, **data: Any) -> wire.Event:
    """Make an event that tells its number."""
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return wire.Event(str(number), "urn:test", event_type, now, {"number": number, **data})


def consume(url: str) -> dict[str, list[int]]:
    """Take everything from the three queues: the numbers of the events, by queue."""
    got: dict[str, list[int]] = {}
    with kombu.Connection(url) as connection, closing(connection.channel()) as channel:
        for queue in topology.queues(url):
            bound = queue(channel)
            bound.declare()
            numbers = got.setdefault(queue.name.removeprefix("redrive."), [])
            while (message := bound.get()) is not None:
                assert message.content_type == wire.CONTENT_TYPE
                numbers += [each.data["number"] for each in wire.decode(message.body)]
                message.ack()
    return got


def test_each_event_arrives_in_its_queue_in_order(publisher: Publisher, bus: str) -> None:
    """What flush says is confirmed is on the bus, each type in its queue, in the order of publishing."""
    for number in range(450):
        publisher.publish(event(number))
    publisher.publish(event(1000, wire.ATTEMPT_ENDED), urgent=True)
    publisher.publish(event(2000, wire.LLM_CALL))
    assert publisher.flush(SECONDS)
    assert consume(bus) == {"failures": list(range(450)), "outcomes": [1000], "telemetry": [2000]}
    assert publisher.counts.sent == 452
    assert publisher.counts.dropped == 0


def test_closing_sends_what_waits_and_an_event_after_it_arrives_too(publisher: Publisher, bus: str) -> None:
    """Nothing published before `close` is lost, and a publisher that was closed starts again by itself."""
    publisher.publish(event(1))
    publisher.close()
    publisher.publish(event(2))
    publisher.close()
    assert consume(bus)["failures"] == [1, 2]


def test_a_forked_child_publishes_on_its_own(publisher: Publisher, bus: str) -> None:
    """After a fork parent and child both publish; what waited in the parent is sent once, by the parent."""
    if bus.startswith("memory"):
        pytest.skip("a bus in memory is not shared by two processes")
    publisher.publish(event(1))
    assert publisher.flush(SECONDS)
    publisher.publish(event(2))
    child = os.fork()
    if child == 0:
        publisher.publish(event(3))
        os._exit(0 if publisher.flush(SECONDS) else 1)
    assert os.waitpid(child, 0)[1] == 0
    publisher.publish(event(4))
    assert publisher.flush(SECONDS)
    assert sorted(consume(bus)["failures"]) == [1, 2, 3, 4]


def test_many_threads_publish_at_once(publisher: Publisher, bus: str) -> None:
    """Threads share a publisher: nothing is lost, and the order of each thread stays."""
    threads = [
        threading.Thread(target=lambda first=first: [publisher.publish(event(first + n)) for n in range(100)])
        for first in (0, 1000, 2000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert publisher.flush(SECONDS)
    got = consume(bus)["failures"]
    assert [[n for n in got if n // 1000 == part] for part in range(3)] == [
        list(range(first, first + 100)) for first in (0, 1000, 2000)
    ]


def test_what_cannot_be_encoded_is_counted_and_the_rest_goes_on(publisher: Publisher, bus: str) -> None:
    """An event that JSON can't hold, or a huge one, is dropped and counted; it never raises into the caller."""
    publisher.publish(event(1, value=float("nan")))
    publisher.publish(event(2, value="x" * MAX_EVENT_BYTES))
    publisher.publish(event(3))
    assert publisher.flush(SECONDS)
    assert consume(bus)["failures"] == [3]
    assert publisher.counts.dropped == 2


def test_what_finds_no_room_in_memory_goes_to_disk_and_only_spans_are_dropped(
    publisher: Publisher, bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than memory holds, and all at once: every cost arrives; the spans that gave way are counted."""
    monkeypatch.setattr("eventbus.publisher.MEMORY_BYTES", 20_000)
    publisher._begin()
    monkeypatch.setattr(publisher, "start", lambda: None)
    for number in range(100):
        publisher.publish(event(number, wire.LLM_CALL, filled="x" * 500))
        publisher.publish(event(1000 + number, wire.SPAN_ENDED, filled="x" * 500), droppable=True)
    monkeypatch.undo()
    assert publisher.flush(SECONDS)
    arrived = sorted(consume(bus)["telemetry"])
    assert [number for number in arrived if number < 1000] == list(range(100))
    assert publisher.counts.dropped == publisher.counts.dropped_spans == 200 - len(arrived) > 0


def test_a_source_is_asked_while_the_thread_runs_and_at_the_end(publisher: Publisher, bus: str) -> None:
    """An attached source's event is published, at the latest when the publisher closes."""
    waiting = [event(7, wire.TASK_OUTCOMES)]
    publisher.attach(lambda: waiting.pop() if waiting else None)
    publisher.start()
    publisher.close()
    assert consume(bus)["outcomes"] == [7]


class DeadThenAlive:
    """The port of RabbitMQ, which answers only once `open` was called: a proxy on loopback."""

    def __init__(self, target: tuple[str, int]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._target = target
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Answer from now on."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        if self._listener is not None:
            self._listener.close()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            return  # the other side is gone
        finally:
            sink.close()


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_what_a_dead_bus_did_not_take_arrives_once_it_is_back(bus: str, tmp_path: Path) -> None:
    """Without a bus events go to the spool; the next process in that folder sends them, in order, before its own."""
    url = kombu.utils.url.parse_url(bus)
    proxy = DeadThenAlive((url["hostname"], url["port"] or 5672))
    address = bus.replace(f"{url['hostname']}:{url['port'] or 5672}", f"127.0.0.1:{proxy.port}")
    first = Publisher(address, tmp_path)
    for number in range(300):
        first.publish(event(number))
    assert not first.flush(SECONDS)
    first.close()
    assert first.counts.dropped == 0
    assert list(tmp_path.rglob("*.spool"))
    proxy.open()
    try:
        second = Publisher(address, tmp_path)
        second.publish(event(300))
        assert second.flush(SECONDS)
        second.close()
    finally:
        proxy.close()
    assert consume(bus)["failures"] == list(range(301))
    assert not list(tmp_path.rglob("*.spool"))


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_a_message_that_no_queue_takes_is_not_confirmed(publisher: Publisher, bus: str) -> None:
    """When the queues were deleted under the publisher, its events wait and arrive once they are declared again."""
    publisher.publish(event(1))
    assert publisher.flush(SECONDS)
    with kombu.Connection(bus) as connection, closing(connection.channel()) as channel:
        for queue in topology.queues(bus):
            queue(channel).delete()
    publisher.publish(event(2))
    publisher.flush(SECONDS)
    assert publisher.flush(SECONDS)
    assert consume(bus)["failures"] == [2]
