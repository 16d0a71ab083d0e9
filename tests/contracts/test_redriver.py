"""What every redriver must do, in memory, on the server-less bus and on RabbitMQ: the task again, as it was."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import kombu
import pytest

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from eventbus.wire import ATTEMPT_HEADER, freeze
from orchestrator.bus.memory import MemoryRedriver
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.plan import Route
from tests.recovery import message
from tests.services import own_vhost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.ports import Redriver

QUEUES = frozenset({"celery", "large"})


@dataclass
class Received:
    """What a worker would get."""

    body: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]
    content_type: str
    content_encoding: str


class MemoryBroker:
    """The in-memory redriver, and what it kept."""

    def __init__(self) -> None:
        self.redriver: Redriver = MemoryRedriver(queues=QUEUES)

    def take(self, queue: str) -> Received | None:
        """Take the oldest message of a queue."""
        letters = self.redriver.letters
        letter = next((each for each in letters if each.routing_key == queue), None)
        if letter is None:
            return None
        letters.remove(letter)
        return Received(
            letter.body, dict(letter.headers), dict(letter.properties), letter.content_type, letter.content_encoding
        )

    def close(self) -> None:
        """Leave nothing open."""


class RealBroker:
    """A broker behind a URL with two queues, and a redriver that publishes to it."""

    def __init__(self, url: str) -> None:
        self.redriver = BusRedriver(url)
        self._connection = kombu.Connection(url)
        channel = self._connection.default_channel
        self._queues = {name: kombu.Queue(name, durable=True)(channel) for name in QUEUES}
        for queue in self._queues.values():
            queue.declare()
            queue.purge()

    def take(self, queue: str) -> Received | None:
        """Take the oldest message of a queue."""
        found = self._queues[queue].get(no_ack=True)
        if found is None:
            return None
        body = found.body.encode() if isinstance(found.body, str) else bytes(found.body)
        return Received(body, dict(found.headers), found.properties, found.content_type, found.content_encoding)

    def close(self) -> None:
        """Leave nothing open."""
        self.redriver.close()
        self._connection.release()


@pytest.fixture(scope="module")
def on_rabbitmq() -> Iterator[str]:
    """The URL of a virtual host for all tests of this file: making one takes a second."""
    with own_vhost() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "rabbitmq"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryBroker | RealBroker]:
    """Give a broker of each kind, with the queues `celery` and `large`, both empty."""
    if request.param == "memory":
        yield MemoryBroker()
        return
    sqlite = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    made = RealBroker(sqlite if request.param == "sqlite" else request.getfixturevalue("on_rabbitmq"))
    yield made
    made.close()


Broker = MemoryBroker | RealBroker


def again(broker: Broker, given: TaskMessage, route: Route | None = None, queue: str = "celery") -> Received:
    """Publish a message and take it from its queue."""
    broker.redriver.publish(given, uuid4(), route)
    received = broker.take(queue)
    assert received is not None
    return received


def test_the_task_comes_as_it_came_before(broker: Broker) -> None:
    """Body, content type, encoding, headers (`retries` too) and properties are the same; the attempt is named."""
    given, attempt = message(headers=message().headers | {"retries": 3, "stamps": {"a": ["b"]}}), uuid4()
    broker.redriver.publish(given, attempt, None)
    received = broker.take("celery")
    assert received is not None
    assert received.body == given.body
    assert (received.content_type, received.content_encoding) == (given.content_type, given.content_encoding)
    assert received.headers == dict(given.headers) | {ATTEMPT_HEADER: str(attempt)}
    assert {name: received.properties[name] for name in given.properties} == dict(given.properties)
    assert broker.take("celery") is None


def test_every_byte_of_a_body_survives(broker: Broker) -> None:
    """A body is bytes: pickle's, or anything else's."""
    body = bytes(range(256)) * 20
    given = message(body=body, content_type="application/x-python-serialize", content_encoding="binary")
    received = again(broker, given)
    assert (received.body, received.content_type, received.content_encoding) == (
        body,
        "application/x-python-serialize",
        "binary",
    )


def test_a_later_attempt_replaces_the_header_of_an_earlier_one(broker: Broker) -> None:
    """A message that failed as an attempt goes out under the new one alone."""
    given, attempt = message(headers=message().headers | {ATTEMPT_HEADER: str(uuid4())}), uuid4()
    broker.redriver.publish(given, attempt, None)
    received = broker.take("celery")
    assert received is not None
    assert received.headers[ATTEMPT_HEADER] == str(attempt)


def test_a_reroute_goes_to_the_queue_that_was_named(broker: Broker) -> None:
    """With a route the message is in that queue and nowhere else, and otherwise unchanged."""
    received = again(broker, message(routing_key="celery"), Route("large"), "large")
    assert received.body == message().body
    assert received.headers["id"] == "t0"
    assert broker.take("celery") is None


def test_what_is_over_is_dropped(broker: Broker) -> None:
    """`eta` and what tells of the way through the broker does not go out again; other headers do."""
    over = {
        "eta": "2020-01-01T00:00:00+00:00",
        "x-death": [{"count": 1}],
        "x-first-death-exchange": "e",
        "x-first-death-queue": "q",
        "x-first-death-reason": "rejected",
        "x-last-death-queue": "q",
        "x-delivery-count": 2,
    }
    received = again(broker, message(headers={"id": "t0", "x-mine": "kept"} | over))
    assert set(received.headers) == {"id", "x-mine", ATTEMPT_HEADER}


def test_the_prefix_of_delayed_delivery_is_dropped(broker: Broker) -> None:
    """Celery's 28 binary digits before the routing key are no part of it."""
    delayed = ".".join("0110" * 7) + ".celery"
    again(broker, message(routing_key=delayed))
    almost = ".".join("0110" * 6) + ".celery"
    with pytest.raises(Unroutable):
        broker.redriver.publish(message(routing_key=almost), uuid4(), None)


@pytest.mark.parametrize("expires", ["2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00", "soon", 7])
def test_a_task_that_has_expired_is_refused(broker: Broker, expires: object) -> None:
    """A worker would drop it in silence: it is refused, and so is a time that cannot be read."""
    with pytest.raises(Unroutable, match="expected"):
        broker.redriver.publish(message(headers={"id": "t0", "expires": expires}), uuid4(), None)
    assert broker.take("celery") is None


def test_a_task_that_may_still_run_keeps_its_expiry(broker: Broker) -> None:
    """An expiry that is to come goes out with the task."""
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert again(broker, message(headers={"id": "t0", "expires": expires})).headers["expires"] == expires


@pytest.mark.parametrize(
    ("given", "route"),
    [(message(routing_key="nobody"), None), (message(exchange="nowhere"), None), (message(), Route("nobody"))],
)
def test_a_message_that_no_queue_takes_is_refused(broker: Broker, given: TaskMessage, route: Route | None) -> None:
    """No queue, no exchange, no queue to reroute to: each is Unroutable, and the next message goes out."""
    with pytest.raises(Unroutable, match="expected"):
        broker.redriver.publish(given, uuid4(), route)
    assert again(broker, message()).headers["id"] == "t0"


def test_what_json_cannot_say_comes_as_it_was(broker: Broker) -> None:
    """Header values that were frozen for their way as JSON are thawed: bytes, times and numbers with a point."""
    values = {"bytes": b"\x00\xff", "time": datetime(2026, 1, 1, tzinfo=UTC), "price": Decimal("1.50")}
    if isinstance(broker, RealBroker) and "sqlite" in broker.redriver.url:
        values = {}  # its messages are JSON themselves, so no such value was ever in one
    given = message(headers={"id": "t0"} | {name: freeze(value) for name, value in values.items()})
    received = again(broker, given).headers
    assert {name: received[name] for name in values if name != "time"} == {
        name: value for name, value in values.items() if name != "time"
    }


def test_a_body_that_was_compressed_is_compressed_again(broker: Broker) -> None:
    """The failure holds the plain body beside the header that names the compression: a worker can read it again."""
    given = message(headers={"id": "t0", "compression": "application/x-gzip"})
    received = again(broker, given)
    assert received.body == given.body  # kombu takes the compression off
    assert received.headers["compression"] == "application/x-gzip"


def test_a_body_without_a_type_is_not_encoded_once_more(broker: Broker) -> None:
    """A message that came without content type and encoding goes out with the same bytes."""
    assert again(broker, message(body=b"\x00raw", content_type="", content_encoding="")).body == b"\x00raw"


ODD = {
    "a header too large": message(headers={"id": 2**70}),
    "a priority that is none": message(properties={"priority": "high"}),
    "a header nobody can thaw": message(headers={"id": {"$decimal": "x"}}),
    "a compression nobody knows": message(headers={"compression": "application/x-nothing"}),
    "a property too long": message(properties={"correlation_id": "c" * 300}),
    "a delivery mode that is none": message(properties={"delivery_mode": 7}),
}


@pytest.mark.parametrize("given", ODD.values(), ids=ODD)
def test_a_message_that_cannot_be_carried_holds_nobody_up(broker: Broker, given: TaskMessage) -> None:
    """Whatever is wrong with one message, it goes out or is refused for good; the next one goes out."""
    try:
        broker.redriver.publish(given, uuid4(), None)
    except Unroutable as error:
        assert "expected" in str(error)  # noqa: PT017 - a broker may also carry it
    while broker.take("celery"):
        pass
    assert again(broker, message()).headers["id"] == "t0"


def test_a_broker_that_is_away_is_unreachable() -> None:
    """Nobody answers: DependencyUnreachable, and soon."""
    with pytest.raises(DependencyUnreachable, match="the Celery broker cannot be reached"):
        BusRedriver("amqp://guest:guest@127.0.0.1:1//").publish(message(), uuid4(), None)


def test_a_file_that_is_no_bus_is_unreachable(tmp_path: Path) -> None:
    """A bus that cannot be opened is away, not a fault of the message."""
    (tmp_path / "bus.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(DependencyUnreachable):
        BusRedriver(f"redrive+sqlite:///{tmp_path}/bus.sqlite").publish(message(), uuid4(), None)


def test_a_connection_that_broke_is_opened_again(on_rabbitmq: str) -> None:
    """After the connection was lost one publish may say that the broker is away; the next one goes out."""
    broker = RealBroker(on_rabbitmq)
    again(broker, message())
    connection = broker.redriver._connection
    connection.transport.close_connection(connection.connection)
    with suppress(DependencyUnreachable):
        broker.redriver.publish(message(), uuid4(), None)
    broker.redriver.publish(message(1), uuid4(), None)
    received = [broker.take("celery") for _ in range(2)]
    assert "t1" in {each.headers["id"] for each in received if each}
    broker.close()
