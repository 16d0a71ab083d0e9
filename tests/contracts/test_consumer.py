"""The orchestrator's end of the bus, on the server-less bus and on RabbitMQ: nothing is let go before it is safe."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING

import kombu
import pytest

from eventbus.topology import EXCHANGE, queues
from orchestrator.bus import consumer
from orchestrator.bus.consumer import PREFETCH, BusConsumer
from orchestrator.domain.errors import DependencyUnreachable, LogFull
from tests.services import own_vhost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Broken(Exception):
    """The hand-over failed."""


@pytest.fixture(scope="module")
def on_rabbitmq() -> Iterator[str]:
    """The URL of a virtual host for all tests of this file."""
    with own_vhost() as url:
        yield url


@pytest.fixture(params=["sqlite", "rabbitmq"])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a bus with its three queues, all empty."""
    servers = {"rabbitmq": "on_rabbitmq", "redis": "redis_db"}
    sqlite = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    url: str = sqlite if request.param == "sqlite" else request.getfixturevalue(servers[request.param])
    with kombu.Connection(url) as connection:
        for queue in queues(url):
            bound = queue(connection.default_channel)
            bound.declare()
            bound.purge()
    return url


def send(url: str, key: str, *bodies: bytes) -> None:
    """Publish messages as a worker does."""
    with kombu.Connection(url, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer(exchange=EXCHANGE)
        for body in bodies:
            producer.publish(body, routing_key=key, content_type="application/cloudevents-batch+json", retry=True)


def left(url: str, key: str) -> list[bytes]:
    """Take what a queue still holds."""
    (queue,) = [each for each in queues(url) if each.routing_key == key]
    with kombu.Connection(url) as connection:
        bound, found = queue(connection.default_channel), []
        while message := bound.get(no_ack=True):
            found.append(message.body.encode() if isinstance(message.body, str) else bytes(message.body))
    return found


def consume(url: str, count: int, keys: Sequence[str] = ("failures", "outcomes")) -> list[list[bytes]]:
    """Consume until so many messages were handed over; gives them by batch."""
    stop, batches = Event(), []

    def handle(bodies: Sequence[bytes]) -> None:
        batches.append(list(bodies))
        if sum(map(len, batches)) >= count:
            stop.set()

    BusConsumer(url, keys, handle).run(stop)
    return batches


def test_messages_are_handed_over_whole_and_let_go(bus: str) -> None:
    """What was sent comes, byte for byte, in batches that are no larger than asked for; afterwards nothing is left."""
    sent = [b"[%d]" % number for number in range(PREFETCH + 50)]
    send(bus, "failures", *sent)
    batches = consume(bus, len(sent))
    assert sorted(body for batch in batches for body in batch) == sorted(sent)
    assert max(map(len, batches)) <= PREFETCH
    assert left(bus, "failures") == []


def test_only_the_queues_that_were_asked_for_are_read(bus: str) -> None:
    """A consumer of failures and outcomes leaves telemetry to another one."""
    send(bus, "failures", b"[1]")
    send(bus, "outcomes", b"[2]")
    send(bus, "telemetry", b"[3]")
    assert sorted(body for batch in consume(bus, 2) for body in batch) == [b"[1]", b"[2]"]
    assert left(bus, "telemetry") == [b"[3]"]


def test_what_was_not_safe_comes_again(bus: str) -> None:
    """A hand-over that fails lets nothing go: all of it comes again, to this consumer or to the next."""
    sent = [b"[%d]" % number for number in range(5)]
    send(bus, "failures", *sent)

    def fail(_bodies: Sequence[bytes]) -> None:
        raise Broken

    consumer = BusConsumer(bus, ("failures",), fail)
    for _ in range(2):
        with pytest.raises(Broken):
            consumer.run(Event())
    assert sorted(body for batch in consume(bus, 5) for body in batch) == sorted(sent)


def test_a_consumer_that_is_told_to_stop_stops(bus: str) -> None:
    """Told before it began, it hands nothing over and leaves everything."""
    send(bus, "failures", b"[1]")
    stop = Event()
    stop.set()
    handed: list[Sequence[bytes]] = []
    BusConsumer(bus, ("failures",), handed.append).run(stop)
    assert handed == []
    assert left(bus, "failures") == [b"[1]"]


def test_a_bus_that_is_away_is_unreachable() -> None:
    """Nobody answers: DependencyUnreachable."""
    with pytest.raises(DependencyUnreachable, match="the bus cannot be reached"):
        BusConsumer("amqp://guest:guest@127.0.0.1:1//", ("failures",), lambda _: None).run(Event())


@pytest.mark.parametrize("bus", ["sqlite", "rabbitmq", "redis"], indirect=True)
def test_only_a_bus_that_is_read_to_its_end_is_told_as_drained(bus: str) -> None:
    """`on_drained` is called once what was sent has been handed over, not while it waits."""
    send(bus, "failures", *(b"[%d]" % number for number in range(PREFETCH + 50)))
    send(bus, "outcomes", b"[x]")
    stop, told, handed = Event(), [], []

    def note() -> None:
        told.append(len(handed))
        stop.set()

    BusConsumer(bus, ("failures", "outcomes"), handed.extend, note).run(stop)
    assert told == [PREFETCH + 51]
    assert left(bus, "failures") == []


@pytest.mark.parametrize("bus", ["sqlite", "rabbitmq", "redis"], indirect=True)
def test_a_queue_with_a_message_is_not_empty(bus: str) -> None:
    """Nobody has taken it: the bus says so."""
    send(bus, "failures", b"[1]")
    (queue,) = [each for each in queues(bus) if each.routing_key == "failures"]
    with kombu.Connection(bus) as connection:
        assert not consumer.is_empty(connection.default_channel, queue.name)


@pytest.mark.parametrize(("messages", "consumers", "empty"), [(0, 1, True), (1, 1, False), (0, 0, False)])
def test_a_queue_whose_leader_does_not_answer_is_not_empty(messages: int, consumers: int, *, empty: bool) -> None:
    """RabbitMQ says 0 messages and 0 consumers then, and we are one."""
    told = SimpleNamespace(message_count=messages, consumer_count=consumers)
    channel = SimpleNamespace(queue_declare=lambda **_: told)
    assert consumer.is_empty(channel, "redrive.failures") is empty


@pytest.mark.parametrize("bus", ["sqlite", "rabbitmq", "redis"], indirect=True)
def test_a_bus_that_stays_empty_is_told_again(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty bus answers each time that it is asked, on one connection."""
    monkeypatch.setattr(consumer, "READ_EVERY", 0.01)
    stop, told = Event(), []

    def note() -> None:
        told.append(1)
        if len(told) == 3:
            stop.set()

    BusConsumer(bus, ("failures", "outcomes"), lambda _: None, note).run(stop)
    assert len(told) == 3


@pytest.mark.parametrize("bus", ["sqlite", "rabbitmq", "redis"], indirect=True)
def test_what_is_on_its_way_while_the_bus_is_asked_is_handed_over_first(
    bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that no queue holds any more, and that has not come yet, is no reason to say that all is read."""
    stop, told, handed, asked = Event(), [], [], []

    def empty(_channel: object, queue: str) -> bool:
        if not asked:
            send(bus, "failures", b"[1]")
        asked.append(queue)
        return True

    def note() -> None:
        told.append(list(handed))
        stop.set()

    monkeypatch.setattr(consumer, "is_empty", empty)
    BusConsumer(bus, ("failures",), handed.extend, note).run(stop)
    assert told == [[b"[1]"]]


def test_what_the_log_has_no_room_for_stays_on_the_bus(bus: str) -> None:
    """A full log is waited for: the same messages are handed over again on the same connection, and then let go."""
    sent = [b"[%d]" % number for number in range(5)]
    send(bus, "telemetry", *sent)
    stop, refused, taken = Event(), [], []

    def handle(bodies: Sequence[bytes]) -> None:
        if not refused:
            refused.extend(bodies)
            raise LogFull(retry_after=0.0)
        taken.extend(bodies)
        if len(taken) == len(sent):
            stop.set()

    BusConsumer(bus, ("telemetry",), handle).run(stop)
    assert refused
    assert sorted(taken) == sorted(sent)
    assert left(bus, "telemetry") == []
