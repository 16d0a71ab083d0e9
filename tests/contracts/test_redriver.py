"""What every redriver must do, in memory, on the server-less bus, RabbitMQ and Redis: the task again, as it was."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import kombu
import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from eventbus.claims import Claims
from eventbus.sealing import Keys
from eventbus.wire import ATTEMPT_HEADER, REDACTED_HEADER, decode, encode, freeze
from orchestrator.bus.memory import MemoryRedriver
from orchestrator.bus.opening import Opener
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.errors import DependencyUnreachable, NotRedrivable, Unroutable
from orchestrator.domain.plan import Route
from orchestrator.domain.redrives import Redrive
from orchestrator.flows.reading import failure_of
from orchestrator.ledger.sql import SqlLedger
from tests.recovery import failed_event, filed, message
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


@pytest.fixture(params=["memory", "sqlite", "rabbitmq", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryBroker | RealBroker]:
    """Give a broker of each kind, with the queues `celery` and `large`, both empty."""
    if request.param == "memory":
        yield MemoryBroker()
        return
    sqlite = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    fixtures = {"rabbitmq": "on_rabbitmq", "redis": "redis_db"}
    made = RealBroker(sqlite if request.param == "sqlite" else request.getfixturevalue(fixtures[request.param]))
    yield made
    made.close()


Broker = MemoryBroker | RealBroker


def tells_of_no_queue(broker: Broker) -> bool:
    """Tell whether the broker says that no queue takes a message; Redis has lists, and makes one for any name."""
    return not (isinstance(broker, RealBroker) and broker.redriver.url.startswith("redis"))


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


def test_a_reroute_goes_to_the_exchange_that_was_named(broker: Broker) -> None:
    """The default exchange takes its key for a queue; with arguments alone the task stays where it was published."""
    again(broker, message(), Route(exchange="", routing_key="large"), "large")
    received = again(broker, message(), Route(kwargs={"model": "other"}), "celery")
    assert json.loads(received.body)[1] == {"model": "other"}


def test_a_reroute_sets_keyword_arguments(broker: Broker) -> None:
    """Those that were named are replaced in the body; the message that was given, and all else, stay as they are."""
    body = json.dumps([[1], {"model": "m", "n": 2**70}, {"chain": [{"task": "next"}]}]).encode()
    given = message(body=body, headers=message().headers | {"kwargsrepr": "{'model': 'm'}", "argsrepr": "(1,)"})
    received = again(broker, given, Route("large", kwargs={"model": "other"}), "large")
    assert json.loads(received.body) == [[1], {"model": "other", "n": 2**70}, {"chain": [{"task": "next"}]}]
    assert set(received.headers) == set(given.headers) - {"kwargsrepr"} | {ATTEMPT_HEADER}
    assert given.body == body
    assert (received.content_type, received.content_encoding) == (given.content_type, given.content_encoding)


def test_a_redacted_argument_that_a_reroute_sets_is_filled_in_by_nobody(broker: Broker) -> None:
    """The worker's resolver would put back what the route replaced: it is asked for the others only."""
    body = b'[[], {"key": "[redacted]", "model": {"a": "[redacted]"}, "models": "[redacted]"}, {}]'
    given = message(body=body, redacted=("kwargs.key", "kwargs.model.a", "kwargs.models"), resolvable=True)
    received = again(broker, given, Route("large", kwargs={"model": "other"}), "large")
    assert received.headers[REDACTED_HEADER] == ["kwargs.key", "kwargs.models"]


UNFIT = [
    message(body=b"\x80\x04N.", content_type="application/x-python-serialize", content_encoding="binary"),
    message(body=b"[]"),
    message(headers={"id": "t0"}),
]


@pytest.mark.parametrize("given", UNFIT, ids=["pickle", "no call", "protocol 1"])
def test_arguments_that_cannot_be_set_are_refused(broker: Broker, given: TaskMessage) -> None:
    """Nothing goes out without what the route sets; the reason is told, and the message may still go elsewhere."""
    with pytest.raises(Unroutable, match="the keyword arguments of the route model cannot be set: expected") as caught:
        broker.redriver.publish(given, uuid4(), Route("large", kwargs={"model": "other"}))
    assert not isinstance(caught.value, NotRedrivable)
    assert broker.take("large") is None


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
    if not tells_of_no_queue(broker):
        return
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
    if not tells_of_no_queue(broker):
        pytest.skip("Redis does not tell that nobody takes a message")
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


def redrive(given: TaskMessage, route: Route | None = None) -> Redrive:
    """Make a redrive of a message."""
    return Redrive(uuid4(), given, route)


def test_many_go_in_their_order_and_each_is_told_of(broker: Broker) -> None:
    """What no queue takes, what nobody can send and what can never go is told of by itself; all others arrive, once."""
    fit = [redrive(message(number)) for number in range(250)]
    unfit = [redrive(message(missing=True)), redrive(message(headers={"id": {"$decimal": "x"}}))]
    if tells_of_no_queue(broker):
        unfit += [redrive(message(), Route("nobody")), redrive(message(exchange="nowhere"))]
    given = [*fit[:120], *unfit, *fit[120:]]
    fates = broker.redriver.publish_all(given)
    assert [type(fate) if fate else None for fate in fates[:120] + fates[-130:]] == [None] * 250
    assert all(isinstance(fate, Unroutable) for fate in fates[120:-130])
    assert isinstance(fates[120], NotRedrivable)
    found = []
    while received := broker.take("celery"):
        found.append(received.headers[ATTEMPT_HEADER])
    assert found == [str(each.attempt_id) for each in fit]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_that_cannot_be_carried_holds_none_of_many_up(broker: Broker, odd: TaskMessage) -> None:
    """Whatever is wrong with one, it goes out or is refused for good; all others go out."""
    before, after = redrive(message(1)), redrive(message(2))
    fates = broker.redriver.publish_all([before, redrive(odd), after])
    assert (fates[0], fates[2]) == (None, None)
    assert fates[1] is None or isinstance(fates[1], Unroutable)
    found = set()
    while received := broker.take("celery"):
        found.add(received.headers[ATTEMPT_HEADER])
    assert {str(before.attempt_id), str(after.attempt_id)} <= found


def test_many_find_a_broker_away_once() -> None:
    """The first says so, and none behind it is tried: each would wait for its own time-out."""
    fates = BusRedriver("amqp://guest:guest@127.0.0.1:1//").publish_all([redrive(message(n)) for n in range(300)])
    assert {type(fate) for fate in fates} == {DependencyUnreachable}


KEY = Fernet.generate_key().decode()


def put_away(given: TaskMessage, folder: Path, *, claimed: bool) -> TaskMessage:
    """Seal a message as a worker does, its body in a store where `claimed`."""
    data = asdict(given) | {"body": b64encode(given.body).decode()}
    if claimed:
        keys = Keys((KEY,))
        data |= {"body": "", "claim": Claims(str(folder)).put(keys.seal_bytes(given.body), keys.name(given.body))}
    sealed = Keys((KEY,)).seal(data)
    return replace(given, **sealed | {"body": b"", "redacted": ()})


@pytest.mark.parametrize("claimed", [False, True])
def test_what_was_sealed_comes_as_it_came_before(broker: Broker, tmp_path: Path, claimed: bool) -> None:
    """With the key, body, headers and properties are those of the message, the body in a store or not."""
    broker.redriver.opener = Opener.of(KEY)
    given = message(body=bytes(range(256)), content_type="application/x-python-serialize", content_encoding="binary")
    received = again(broker, put_away(given, tmp_path, claimed=claimed))
    assert (received.body, received.content_type) == (given.body, given.content_type)
    assert received.headers.items() >= dict(given.headers).items()
    assert {name: received.properties[name] for name in given.properties} == dict(given.properties)


def test_a_body_in_a_store_is_fetched(broker: Broker, tmp_path: Path) -> None:
    """By its claim, and only where it is the one that was stored."""
    body = b"a large body" * 1000
    given = message(body=b"", claim=Claims(str(tmp_path)).put(body))
    assert again(broker, given).body == body
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file() and len(path.name) == 64)
    file.write_bytes(b"another body")
    with pytest.raises(NotRedrivable, match="other bytes"):
        broker.redriver.publish(given, uuid4(), None)


NOT_REDRIVABLE = {
    "missing": (message(missing=True), "never reached"),
    "redacted": (message(redacted=("args.0",)), "resolver"),
    "sealed": (message(sealed="gAAAA"), "REDRIVE_MESSAGE_KEYS"),
    "claimed elsewhere": (message(claim={"url": "s3://bucket/x", "bytes": 1, "sha256": "0"}), "REDRIVE_CLAIM_URL"),
    "claimed and gone": (message(claim={"url": "file:///nowhere/x", "bytes": 1, "sha256": "0"}), "FileNotFound"),
}


@pytest.mark.parametrize(("given", "says"), NOT_REDRIVABLE.values(), ids=NOT_REDRIVABLE)
def test_what_can_never_go_out_is_refused_with_the_reason(broker: Broker, given: TaskMessage, says: str) -> None:
    """Nothing is published, the reason is said, and the next message goes out."""
    with pytest.raises(NotRedrivable, match=says):
        broker.redriver.publish(given, uuid4(), None)
    assert again(broker, message()).headers["id"] == "t0"


def test_a_message_with_another_key_is_refused(broker: Broker, tmp_path: Path) -> None:
    """The reason names the variable; the failure keeps its message, and the right key still opens it."""
    sealed = put_away(message(), tmp_path, claimed=False)
    broker.redriver.opener = Opener.of(Fernet.generate_key().decode())
    with pytest.raises(NotRedrivable, match="REDRIVE_MESSAGE_KEYS"):
        broker.redriver.publish(sealed, uuid4(), None)
    broker.redriver.opener = Opener.of(KEY)
    assert again(broker, sealed).body == message().body


def test_what_the_workers_resolver_fills_in_is_named(broker: Broker) -> None:
    """A message with redacted arguments that can be resolved carries their paths in a header."""
    given = message(redacted=("args.0", "kwargs.password"), resolvable=True)
    assert again(broker, given).headers[REDACTED_HEADER] == ["args.0", "kwargs.password"]


NAMES = st.text("abcdefgh-_", min_size=1, max_size=12).filter(lambda name: not name.startswith("x-"))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | TEXTS | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "correlation_id": TEXTS, "reply_to": TEXTS, "priority": st.integers(0, 9), "delivery_mode": st.just(2),
        "message_id": TEXTS, "type": TEXTS, "app_id": TEXTS,
    },
)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(headers=st.dictionaries(NAMES, VALUES, max_size=6), properties=PROPERTIES, body=st.binary(max_size=200))
def test_any_header_and_property_survives_event_ledger_and_broker(
    broker: Broker, headers: dict[str, Any], properties: dict[str, Any], body: bytes
) -> None:
    """From a worker's event through the bus, the ledger's row and the redriver: what comes is what was sent."""
    if {"eta", "expires", "compression"} & headers.keys():
        return
    sent = {
        "body": b64encode(body).decode(), "content_type": "application/data", "content_encoding": "binary",
        "headers": freeze(headers), "properties": freeze(properties), "exchange": "", "routing_key": "celery",
    }  # fmt: skip
    (event,) = decode(encode([failed_event(message=sent)]))
    ledger = SqlLedger.in_memory()
    filed(ledger, failure_of(event))
    with ledger.transaction() as tx:
        stored = tx.failure(failure_of(event).id)
    assert stored is not None
    received = again(broker, stored.failure.message)
    received.headers.pop(ATTEMPT_HEADER)
    assert (received.body, received.headers) == (body, headers)
    assert {name: received.properties.get(name) for name in properties} == properties


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


def test_many_go_out_after_a_connection_broke(on_rabbitmq: str) -> None:
    """Of those that met the broken connection it is told that the broker is away; the next ones go out, each once."""
    broker = RealBroker(on_rabbitmq)
    assert broker.redriver.publish_all([redrive(message()), redrive(message(1))]) == [None, None]
    connection = broker.redriver._pipeline._connection
    connection.transport.close_connection(connection.connection)
    met = broker.redriver.publish_all([redrive(message(2)), redrive(message(3))])
    assert {type(fate) for fate in met} <= {DependencyUnreachable, type(None)}
    assert broker.redriver.publish_all([redrive(message(4)), redrive(message(5))]) == [None, None]
    found = []
    while received := broker.take("celery"):
        found.append(received.headers["id"])
    assert sorted(found) == sorted({"t0", "t1", "t4", "t5"} | {f"t{n + 2}" for n, fate in enumerate(met) if not fate})
    broker.close()
