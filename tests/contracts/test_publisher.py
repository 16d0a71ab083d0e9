"""The publisher on every bus: confirmed, in order, out of the caller's way, and its own in each process."""

from __future__ import annotations

import os
import signal
import struct
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import kombu
import pytest

import eventbus.transport  # noqa: F401 - registers redrive+sqlite://
from eventbus import topology, wire
from eventbus.publisher import MAX_EVENT_BYTES, Publisher
from tests.proxy import Cut, Proxy
from tests.services import rabbitmqctl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 10
# AMQP frame: a method on channel 0, connection.blocked (10, 60) with the reason "low on memory".
REASON = b"low on memory"
BLOCKED_METHOD = struct.pack(">HHB", 10, 60, len(REASON)) + REASON
CONNECTION_BLOCKED = struct.pack(">BHI", 1, 0, len(BLOCKED_METHOD)) + BLOCKED_METHOD + b"\xce"


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


def test_whoever_asks_is_told_once_that_the_bus_has_an_event(publisher: Publisher, bus: str) -> None:
    """`on_kept` is called once for each event that the bus confirmed, and not for one that is dropped."""
    kept: list[int] = []
    for number in range(300):
        publisher.publish(event(number), on_kept=lambda number=number: kept.append(number))
    publisher.publish(event(1000, value=float("nan")), on_kept=lambda: kept.append(1000))
    assert publisher.flush(SECONDS)
    assert kept == list(range(300))
    assert consume(bus)["failures"] == list(range(300))


def test_whoever_asks_is_told_across_a_close(publisher: Publisher, bus: str) -> None:
    """An event that was published just before `close` is told as kept once `close` has returned, once."""
    kept: list[int] = []
    for number in range(300):
        publisher.publish(event(number), on_kept=lambda number=number: kept.append(number))
    publisher.close(SECONDS)
    assert kept == list(range(300))
    assert consume(bus)["failures"] == list(range(300))


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


def test_a_killed_process_loses_nothing_that_it_published(bus: str, tmp_path: Path) -> None:
    """A process that is killed right after `publish` has lost none of its events: the next one sends them."""
    if bus.startswith("memory"):
        pytest.skip("a bus in memory is not shared by two processes")
    child = os.fork()
    if child == 0:
        mine = Publisher(bus, tmp_path)
        for number in range(500):
            mine.publish(event(number, wire.LLM_CALL))
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    publisher = Publisher(bus, tmp_path)
    publisher.start()
    publisher.publish(event(500, wire.LLM_CALL))
    assert publisher.flush(SECONDS)
    assert sorted(set(consume(bus)["telemetry"])) == list(range(501))
    publisher.close()


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


@pytest.fixture
def proxy(bus: str) -> Iterator[Proxy]:
    """A proxy in front of that bus."""
    with Proxy(bus) as proxy:
        yield proxy


@pytest.mark.parametrize("how", list(Cut))
@pytest.mark.parametrize("bus", ["rabbitmq", pytest.param("redis", marks=pytest.mark.slow)], indirect=True)
def test_what_a_dead_bus_did_not_take_arrives_once_it_is_back(bus: str, proxy: Proxy, how: Cut, tmp_path: Path) -> None:
    """Without a bus events go to the spool; the next process in that folder sends them, in order, before its own."""
    proxy.cut(how)
    first = Publisher(proxy.url, tmp_path)
    for number in range(300):
        first.publish(event(number))
    assert not first.flush(SECONDS)
    first.close(SECONDS)
    assert first.counts.dropped == 0
    assert list(tmp_path.rglob("*.spool"))
    proxy.mend()
    second = Publisher(proxy.url, tmp_path)
    second.publish(event(300))
    assert second.flush(SECONDS)
    second.close()
    assert sorted(set(consume(bus)["failures"])) == list(range(301))
    assert not list(tmp_path.rglob("*.spool"))


@pytest.mark.parametrize("how", [Cut.REFUSED, pytest.param(Cut.BLACK_HOLE, marks=pytest.mark.slow)])
@pytest.mark.parametrize("bus", ["rabbitmq", pytest.param("redis", marks=pytest.mark.slow)], indirect=True)
def test_a_cut_in_the_middle_loses_nothing(bus: str, proxy: Proxy, how: Cut, tmp_path: Path) -> None:
    """Cut while events flow, nothing hangs and nothing is lost: what was not confirmed is sent again."""
    publisher = Publisher(proxy.url, tmp_path)
    publisher.publish(event(0))
    assert publisher.flush(SECONDS)
    proxy.cut(how)
    for number in range(1, 300):
        publisher.publish(event(number))
    assert not publisher.flush(SECONDS)
    proxy.mend()
    assert flushed(publisher)
    publisher.close()
    assert publisher.counts.dropped == 0
    assert sorted(set(consume(bus)["failures"])) == list(range(300))


def flushed(publisher: Publisher) -> bool:
    """Flush, three times: a try that had begun before it may still fail."""
    return any(publisher.flush(SECONDS) for _ in range(3))


def managed(bus: str, *command: str) -> None:
    """Tell RabbitMQ something about the virtual host of a bus."""
    rabbitmqctl(command[0], "-p", urlsplit(bus).path[1:], *command[1:])


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_a_nack_is_a_refusal(publisher: Publisher, bus: str) -> None:
    """A full queue that rejects what is published refuses; its events wait, and arrive when there is room again."""
    limits = '{"max-length": 1, "overflow": "reject-publish"}'
    managed(bus, "set_policy", "--apply-to", "queues", "full", "^redrive[.]failures$", limits)
    taken = 0
    while publisher.flush(SECONDS):
        publisher.publish(event(taken))
        taken += 1
        assert taken < 100, "expected a nack, got none"
    publisher.publish(event(taken))
    managed(bus, "clear_policy", "full")
    assert flushed(publisher)
    assert consume(bus)["failures"] == list(range(taken + 1))
    assert publisher.counts.dropped == 0


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_a_blocked_connection_is_a_refusal_at_once(bus: str, proxy: Proxy, tmp_path: Path) -> None:
    """When the broker says that it is blocked (a memory alarm) its events wait on disk; nothing hangs."""
    publisher = Publisher(proxy.url, tmp_path)
    publisher.publish(event(1))
    assert publisher.flush(SECONDS)
    proxy.say(CONNECTION_BLOCKED)
    publisher.publish(event(2))
    assert not publisher.flush(SECONDS)
    assert publisher.waiting_bytes
    assert flushed(publisher)
    publisher.close()
    assert sorted(set(consume(bus)["failures"])) == [1, 2]


@pytest.mark.parametrize("bus", ["rabbitmq"], indirect=True)
def test_a_closed_channel_is_a_refusal(publisher: Publisher, bus: str) -> None:
    """When the exchange was deleted the broker closes the channel; it is declared again, and nothing is lost."""
    publisher.publish(event(1))
    assert publisher.flush(SECONDS)
    with kombu.Connection(bus) as connection, closing(connection.channel()) as channel:
        topology.EXCHANGE(channel).delete()
    publisher.publish(event(2))
    assert flushed(publisher)
    assert consume(bus)["failures"] == [1, 2]


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
