"""The server-less bus as kombu sees it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ChannelError, OperationalError

from eventbus.sqlite_file import BusFile, bus_path
from eventbus.transport import UnroutableMessage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kombu.transport.virtual import Message

QUEUE = Queue("q", Exchange("x", "topic"), routing_key="a.#")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a bus that nobody has used yet; its path has spaces."""
    return f"redrive+sqlite:///{tmp_path}/a bus.sqlite"


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    """A connection to it, with the queue `q` declared."""
    with Connection(url) as connection:
        QUEUE(connection.default_channel).declare()
        yield connection


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Look into the bus file."""
    return BusFile(bus_path(url)).read(sql)


class Inbox:
    """A consumer that keeps what it is given and settles nothing."""

    def __init__(self, connection: Connection, prefetch: int = 0, *, no_ack: bool = False) -> None:
        self.connection = connection
        self.messages: list[Message] = []
        self.consumer = Consumer(connection.channel(), [QUEUE], on_message=self.messages.append, no_ack=no_ack)
        self.consumer.qos(prefetch_count=prefetch)
        self.consumer.consume()

    def drain(self) -> list[Any]:
        """Take all that comes, and decode it."""
        before = len(self.messages)
        try:
            while True:
                self.connection.drain_events(timeout=0)
        except TimeoutError:
            return [message.decode() for message in self.messages[before:]]


def publish(url: str, *bodies: Any, **options: Any) -> None:
    """Publish through a connection that has declared nothing."""
    with Connection(url) as connection, Producer(connection) as producer:
        for body in bodies:
            producer.publish(body, **{"exchange": "x", "routing_key": "a.b", **options})


def test_a_publisher_that_declared_nothing_reaches_the_queue(connection: Connection, url: str) -> None:
    """Exchanges and bindings are in the file: any process publishes to what any other has declared."""
    publish(url, {"n": 1}, mandatory=True)
    publish(url, {"n": 2}, exchange="", routing_key="q")
    inbox = Inbox(connection)
    assert inbox.drain() == [{"n": 1}, {"n": 2}]
    assert inbox.messages[0].delivery_info == {"exchange": "x", "routing_key": "a.b", "redelivered": False}


def test_a_message_comes_whole(connection: Connection, url: str) -> None:
    """Headers, properties, content type and bytes come as they were sent, whatever transport had them before."""
    publish(
        url,
        b"\x00\xff",
        content_type="application/octet-stream",
        content_encoding="binary",
        headers={"redrive-attempt": "1", "nested": {"list": [1, None]}},
        correlation_id="c",
        body_encoding="base64",
        priority=3,
    )
    inbox = Inbox(connection)
    connection.drain_events(timeout=1)
    (message,) = inbox.messages
    assert (message.body, message.content_type) == (b"\x00\xff", "application/octet-stream")
    assert message.headers == {"redrive-attempt": "1", "nested": {"list": [1, None]}}
    assert (message.properties["correlation_id"], message.properties["priority"]) == ("c", 3)


def test_a_mandatory_message_that_no_queue_takes_is_an_error(connection: Connection, url: str) -> None:
    """Mandatory means what it says: an error to the caller, or to the producer's `on_return` where it has one."""
    with pytest.raises(UnroutableMessage, match="declare and bind one"):
        publish(url, {}, routing_key="b", mandatory=True)
    with pytest.raises(ChannelError, match="312"):
        publish(url, {}, exchange="", routing_key="nowhere", mandatory=True, retry=True)
    publish(url, {}, routing_key="b")
    returned: list[Any] = []
    with Producer(connection, on_return=lambda *what: returned.append(what)) as producer:
        producer.publish({}, exchange="x", routing_key="b", mandatory=True)
    assert [(type(error), exchange, key) for error, exchange, key, _ in returned] == [(UnroutableMessage, "x", "b")]
    assert Inbox(connection).drain() == []


def test_an_unknown_exchange_is_always_an_error(connection: Connection, url: str) -> None:
    """A message for an exchange that nobody declared is never lost in silence."""
    assert connection.connected
    with pytest.raises(UnroutableMessage, match="declare it before publishing"):
        publish(url, {}, exchange="nobody's")


def test_prefetch_is_honoured(connection: Connection, url: str) -> None:
    """No more messages are held than `prefetch_count`; each that is settled makes room for one."""
    publish(url, *range(5))
    inbox = Inbox(connection, prefetch=2)
    assert inbox.drain() == [0, 1]
    assert rows(url, "SELECT count(*) FROM message WHERE owner IS NOT NULL") == [(2,)]
    inbox.messages[0].ack()
    assert inbox.drain() == [2]
    inbox.messages[1].reject()
    inbox.messages[2].ack()
    assert inbox.drain() == [3, 4]
    assert rows(url, "SELECT count(*) FROM message") == [(2,)]


def test_who_never_acknowledges_leaves_nothing_behind(connection: Connection, url: str) -> None:
    """A no_ack consumer and a no_ack get leave no row, leased or not."""
    publish(url, 1, 2, 3)
    message = QUEUE(connection.default_channel).get(no_ack=True)
    assert (message.decode(), Inbox(connection, no_ack=True).drain()) == (1, [2, 3])
    assert rows(url, "SELECT count(*) FROM message") == [(0,)]


def test_acknowledging_several_settles_all_before(connection: Connection, url: str) -> None:
    """`ack(multiple=True)` settles what was delivered up to that message, and no more."""
    publish(url, *range(4))
    inbox = Inbox(connection)
    inbox.drain()
    inbox.messages[2].ack(multiple=True)
    inbox.consumer.channel.close()
    assert Inbox(connection).drain() == [3]


def test_what_is_requeued_comes_again_and_says_so(connection: Connection, url: str) -> None:
    """A requeued message returns to its place, marked as redelivered."""
    publish(url, 1, 2)
    inbox = Inbox(connection, prefetch=1)
    inbox.drain()
    inbox.messages[0].requeue()
    assert inbox.drain() == [1]
    assert inbox.messages[-1].delivery_info["redelivered"] is True


def test_a_closed_connection_gives_back_what_it_held(connection: Connection, url: str) -> None:
    """Closing requeues what was delivered and not settled, and what was never delivered as new."""
    publish(url, 1, 2)
    with Connection(url) as other:
        inbox = Inbox(other)
        other.drain_events(timeout=1)
    assert [message.decode() for message in inbox.messages] == [1]
    again = Inbox(connection)
    assert again.drain() == [1, 2]
    assert [message.delivery_info["redelivered"] for message in again.messages] == [True, False]


def test_priorities_order_a_queue(connection: Connection, url: str) -> None:
    """The higher priority is delivered first; one out of range counts as the nearest."""
    for number, priority in enumerate((0, 99, 5)):
        publish(url, number, priority=priority)
    assert Inbox(connection).drain() == [1, 2, 0]


def test_declarations_can_be_asked_for_and_deleted(connection: Connection, url: str) -> None:
    """Passive declarations fail for what is missing; sizes, purges and deletions tell numbers."""
    channel = connection.default_channel
    publish(url, 1, 2)
    assert tuple(channel.queue_declare("q", passive=True)) == ("q", 2, 0)
    for missing in (
        lambda: channel.queue_declare("nobody's", passive=True),
        lambda: channel.exchange_declare("nobody's", passive=True),
        lambda: channel.basic_consume("nobody's", no_ack=True, callback=print, consumer_tag="tag"),
    ):
        with pytest.raises(ChannelError, match="declare it first"):
            missing()
    with pytest.raises(ChannelError, match="expected exchange 'x' to stay 'topic'"):
        channel.exchange_declare("x", "direct")
    assert (channel.queue_purge("q"), channel.queue_delete("q")) == (2, 0)
    assert ("q", "x", "a.#") not in channel.list_bindings()


def test_a_bus_that_cannot_be_opened_is_a_connection_error(tmp_path: Path) -> None:
    """Celery and kombu see the error that they retry, and its sentence."""
    missing = f"redrive+sqlite:///{tmp_path}/no folder/bus.sqlite"
    with pytest.raises(OperationalError, match="make it"), Connection(missing) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)


def test_several_urls_are_refused(tmp_path: Path) -> None:
    """A list of addresses to fall back on makes no sense for one file, and a ';' in a path makes such a list."""
    with pytest.raises(ValueError, match="without ';'"):
        Connection(f"redrive+sqlite:///{tmp_path}/a;b.sqlite").connect()


def test_what_a_dead_process_held_comes_again_and_says_so(connection: Connection, url: str) -> None:
    """A consumer is killed between delivery and acknowledgement: the next one is told that the message came before."""
    publish(url, {"n": 1})
    taken, tell = os.pipe()
    holder = os.fork()
    if holder == 0:
        with Connection(url) as own:
            os.write(tell, bytes([bool(Queue("q")(own.channel()).get())]))
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.read(taken, 1) == b"\1"
    os.waitpid(holder, 0)
    inbox = Inbox(connection)
    assert inbox.drain() == [{"n": 1}]
    assert inbox.messages[0].delivery_info["redelivered"] is True


def test_what_is_recovered_says_so(connection: Connection, url: str) -> None:
    """`basic.recover` gives back all that was not settled, as delivered before."""
    publish(url, {"n": 1}, {"n": 2})
    inbox = Inbox(connection)
    inbox.drain()
    inbox.consumer.recover(requeue=True)
    assert inbox.drain() == [{"n": 1}, {"n": 2}]
    assert [message.delivery_info["redelivered"] for message in inbox.messages] == [False, False, True, True]


def test_a_message_that_expired_is_not_delivered_to_who_takes_it_for_good(connection: Connection, url: str) -> None:
    """`expiration` counts from the publish, also for one that is fetched by hand; what comes behind it is delivered."""
    publish(url, {"n": 1}, expiration=0)
    publish(url, {"n": 2}, expiration=60)
    publish(url, {"n": 3}, expiration=0)
    publish(url, {"n": 4}, {"n": 5})
    assert QUEUE(connection.default_channel).get(no_ack=True).decode() == {"n": 2}
    assert Inbox(connection, no_ack=True).drain() == [{"n": 4}, {"n": 5}]
    assert rows(url, "SELECT count(*) FROM message") == [(0,)]


def test_a_message_that_expired_is_delivered_to_who_acknowledges(connection: Connection, url: str) -> None:
    """A worker is handed it and revokes the task, so that somebody tells; it is gone when that is acknowledged."""
    publish(url, {"n": 1}, {"n": 2}, expiration=0)
    fetched = QUEUE(connection.default_channel).get()
    assert fetched.decode() == {"n": 1}
    fetched.ack()
    inbox = Inbox(connection)
    assert inbox.drain() == [{"n": 2}]
    inbox.messages[0].ack()
    assert rows(url, "SELECT count(*) FROM message") == [(0,)]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_length": 10}, "x-max-length"),
        ({"max_length_bytes": 10}, "x-max-length-bytes"),
        ({"queue_arguments": {"x-dead-letter-exchange": "dead"}}, "x-dead-letter-exchange"),
        ({"queue_arguments": {"x-queue-type": "quorum", "x-delivery-limit": 3}}, "x-delivery-limit"),
    ],
)
def test_a_queue_that_this_bus_could_not_keep_is_refused(
    connection: Connection, options: dict[str, Any], name: str
) -> None:
    """A bound or a dead-letter exchange that would be ignored is an error that names the argument."""
    with pytest.raises(ChannelError, match=f"without {name},"):
        Queue("bounded", QUEUE.exchange, **options)(connection.default_channel).declare()


def test_what_celery_gives_its_own_queues_is_taken(connection: Connection, url: str) -> None:
    """Time limits of control and event queues, and priorities, are no reason to refuse a queue."""
    Queue("own", QUEUE.exchange, expires=10.0, message_ttl=300.0, max_priority=9)(connection.default_channel).declare()
    assert rows(url, "SELECT name FROM queue WHERE name = 'own'") == [("own",)]
