"""One kombu channel of the server-less bus: what is published, consumed and settled through it.

A message whose `expiration` has passed is deleted when its turn comes, but for a consumer that acknowledges: a Celery
worker is handed it, revokes the task and tells so. A queue argument is refused that bounds a queue, or says where
messages go which this bus would lose; x-message-ttl and x-expires, which Celery gives its own queues, do nothing: those
queues end with their process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from queue import Empty
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import virtual
from kombu.transport.base import to_rabbitmq_queue_arguments
from kombu.transport.virtual.base import queue_declare_ok_t
from kombu.utils.json import dumps, loads

from eventbus.sqlite_exchanges import DeclarationError, QueueOptions
from eventbus.sqlite_queues import Parcel
from eventbus.sqlite_subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from eventbus.sqlite_queues import Delivery
    from eventbus.transport import Transport

_NO_ROUTE, _NOT_FOUND, _PRECONDITION_FAILED = 312, 404, 406  # AMQP 0-9-1, 1.2
# Beside the message's own keys in what is stored.
_EXPIRES_AT: Final = "expires_at"
# What they promise, this bus does not do: a bound that drops messages, and a place for those that are dropped.
REFUSED_ARGUMENTS: Final = frozenset(
    {
        "x-max-length",
        "x-max-length-bytes",
        "x-overflow",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-delivery-limit",
    }
)


class UnroutableMessage(ChannelError):
    """No queue took a message that was published as mandatory, or its exchange does not exist; nothing was stored."""


class QoS(virtual.QoS):
    """The messages that a channel has delivered and not yet seen settled."""

    def ack(self, delivery_tag: int) -> None:
        """Delete the message, and have fetched at once what now has room."""
        was_full = not self.can_consume()
        self.channel.queues.acknowledge(delivery_tag)
        super().ack(delivery_tag)
        if was_full and self.channel.connection is not None:
            self.channel.connection.wake()

    def reject(self, delivery_tag: int, *, requeue: bool = False) -> None:
        """Put the message back to its place in the queue, or delete it."""
        if requeue:
            super().reject(delivery_tag, requeue=True)
        else:
            self.ack(delivery_tag)


class Channel(virtual.Channel):
    """A kombu channel whose exchanges, queues and messages are in the bus file."""

    QoS = QoS
    supports_fanout = True
    from_transport_options = ()

    def __init__(self, connection: Transport, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.queues, self.exchanges = connection.bus.queues, connection.bus.exchanges
        self.events: defaultdict[str, set[Callable[..., object]]] = defaultdict(set)
        self._subscriptions = Subscriptions(self.queues, self.exchanges)

    def exchange_declare(self, exchange: str = "", type: str = "", **options: Any) -> None:  # noqa: A002 - kombu's name
        """Keep an exchange; raises ChannelError for a type that it cannot have, or (passive) when it is missing."""
        kind = type or "direct"
        with _channel_errors("Channel.exchange_declare"):
            if not options.get("passive"):
                self.exchanges.declare_exchange(exchange or f"amq.{kind}", kind)
            elif self.exchanges.type_of(exchange) is None:
                raise _not_found("exchange", exchange, "Channel.exchange_declare")

    def exchange_delete(self, exchange: str, *_: Any, **__: Any) -> None:
        """Forget an exchange and its bindings."""
        self.exchanges.delete_exchange(exchange)

    def prepare_queue_arguments(self, arguments: Mapping[str, Any], **options: Any) -> Mapping[str, Any]:
        """Spell a queue's options as RabbitMQ's arguments, so that none is lost before `queue_declare` sees it."""
        prepared: Mapping[str, Any] = to_rabbitmq_queue_arguments(arguments or {}, **options)
        return prepared

    def queue_declare(self, queue: str = "", **options: Any) -> queue_declare_ok_t:
        """Keep a queue; give its name, how many messages wait in it, and how many consumers it has.

        Raises ChannelError for an argument that this bus would have to break.
        """
        _refuse(queue, options.get("arguments"))
        queue = queue or f"amq.gen-{uuid4()}"
        asked = QueueOptions(bool(options.get("exclusive")), bool(options.get("auto_delete")))
        if options.get("passive"):
            self._must_exist(queue, "Channel.queue_declare")
        else:
            with _channel_errors("Channel.queue_declare"):
                self.connection.bus.declare_queue(queue, asked)
        return queue_declare_ok_t(queue, self.queues.size(queue), self.exchanges.consumers(queue))

    def queue_delete(self, queue: str, *, if_unused: bool = False, if_empty: bool = False, **_: Any) -> int:
        """Delete a queue with its messages; give how many waited."""
        return self.exchanges.delete_queue(queue, if_unused=if_unused, if_empty=if_empty)

    def queue_bind(self, queue: str, exchange: str = "", routing_key: str = "", *_: Any, **__: Any) -> None:
        """Route an exchange's messages to a queue."""
        with _channel_errors("Channel.queue_bind"):
            self.exchanges.bind(queue, exchange or "amq.direct", routing_key)

    def queue_unbind(self, queue: str, exchange: str = "", routing_key: str = "", *_: Any, **__: Any) -> None:
        """Route them no longer."""
        self.exchanges.unbind(queue, exchange or "amq.direct", routing_key)

    def list_bindings(self) -> list[tuple[str, str, str]]:
        """List every (queue, exchange, routing key) in the file."""
        return self.exchanges.bindings()

    def basic_publish(self, message: dict[str, Any], exchange: str, routing_key: str, **options: Any) -> None:
        """Store a message, on disk when this returns; raises UnroutableMessage, or calls the producer's `on_return`."""
        properties, body = message["properties"], message["body"]
        properties["delivery_info"].update(exchange=exchange, routing_key=routing_key)
        properties["body_encoding"] = None  # a message taken from another virtual transport carries that one's
        head = dumps({key: value for key, value in message.items() if key != "body"} | _deadline(properties))
        raw = body.encode() if isinstance(body, str) else bytes(body)
        if self.queues.publish(Parcel(head, raw, self._get_message_priority(message)), exchange, routing_key):
            return
        if exchange and self.exchanges.type_of(exchange) is None:
            text = f"expected exchange {exchange!r} to exist, found none in the bus file; declare it before publishing"
            raise UnroutableMessage(text, method_name="Channel.basic_publish", reply_code=_NOT_FOUND)
        if options.get("mandatory"):
            self._return(message, exchange, routing_key)

    def _return(self, message: dict[str, Any], exchange: str, routing_key: str) -> None:
        text = f"expected a queue for {routing_key!r} of exchange {exchange!r}, found none; declare and bind one"
        error = UnroutableMessage(text, method_name="Channel.basic_publish", reply_code=_NO_ROUTE)
        if not self.events["basic_return"]:
            raise error
        for on_return in self.events["basic_return"]:
            on_return(error, exchange, routing_key, message)

    def basic_consume(
        self, queue: str, *, no_ack: bool, callback: Callable[[Any], object], consumer_tag: str, **_: Any
    ) -> None:
        """Consume a queue; raises ChannelError when it does not exist."""
        self._must_exist(queue, "Channel.basic_consume")
        self._subscriptions.add(consumer_tag, queue, callback, no_ack=no_ack)
        self._consumers.add(consumer_tag)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Consume it no longer; what was fetched and not delivered goes back."""
        self._consumers.discard(consumer_tag)
        self._subscriptions.remove(consumer_tag)

    def basic_get(self, queue: str, *, no_ack: bool = False, **_: Any) -> virtual.Message | None:
        """Give one message, or None."""
        while found := self.queues.take(queue) if no_ack else self.queues.lease(queue, 1):
            if (message := self._hand_out(found[0], no_ack=no_ack)) is not None:
                return message
        return None

    def basic_ack(self, delivery_tag: int, *, multiple: bool = False) -> None:
        """Delete a delivered message; with `multiple`, also all that were delivered before it."""
        delivered = list(self.qos._delivered) if multiple else []  # noqa: SLF001 - kombu's own subclasses read it too
        for tag in delivered[: delivered.index(delivery_tag)] if delivery_tag in delivered else []:
            self.qos.ack(tag)
        self.qos.ack(delivery_tag)

    def drain_events(self, **_: Any) -> None:
        """Deliver one message to its consumer; raises Empty when none waits or none may be delivered."""
        room = self.qos.can_consume_max_estimate()
        if (found := self._subscriptions.next(room if self.qos.can_consume() else 0)) is None:
            raise Empty
        subscription, delivery = found
        if (message := self._hand_out(delivery, no_ack=subscription.no_ack)) is not None:
            subscription.callback(message)

    def _hand_out(self, delivery: Delivery, *, no_ack: bool) -> virtual.Message | None:
        """Make the message that a consumer is given; without acknowledgement None for an expired one: it is deleted."""
        payload = loads(delivery.head)
        if payload.pop(_EXPIRES_AT, float("inf")) <= time.time() and no_ack:
            self.queues.acknowledge(delivery.id)
            return None
        payload["properties"]["delivery_tag"] = delivery.id
        payload["properties"]["delivery_info"]["redelivered"] = delivery.redelivered
        message = self.Message({**payload, "body": delivery.body}, channel=self)
        if not no_ack:
            self.qos.append(message, delivery.id)
        return message

    def _must_exist(self, queue: str, method: str) -> None:
        if not self.exchanges.has_queue(queue):
            raise _not_found("queue", queue, method)

    def _restore(self, message: virtual.Message) -> None:
        self.queues.release([message.delivery_tag], redelivered=True)

    def _purge(self, queue: str) -> int:
        return self.queues.purge(queue)

    def _size(self, queue: str) -> int:
        return self.queues.size(queue)


@contextmanager
def _channel_errors(method: str) -> Iterator[None]:
    try:
        yield
    except DeclarationError as error:
        raise ChannelError(str(error), method_name=method, reply_code=_PRECONDITION_FAILED) from error


def _not_found(what: str, name: str, method: str) -> ChannelError:
    text = f"expected {what} {name!r} to exist, found none in the bus file; declare it first"
    return ChannelError(text, method_name=method, reply_code=_NOT_FOUND)


def _refuse(queue: str, arguments: Mapping[str, Any] | None) -> None:
    refused = sorted(REFUSED_ARGUMENTS & (arguments or {}).keys())
    if refused:
        text = (
            f"expected queue {queue!r} without {', '.join(refused)}, which this bus cannot keep;"
            " declare it without on this bus, or use RabbitMQ"
        )
        raise ChannelError(text, method_name="Channel.queue_declare", reply_code=_PRECONDITION_FAILED)


def _deadline(properties: Mapping[str, Any]) -> dict[str, float]:
    """Tell when a message expires, in seconds since 1970: its `expiration` is in milliseconds."""
    try:
        return {_EXPIRES_AT: time.time() + float(properties["expiration"]) / 1000}
    except (KeyError, TypeError, ValueError):
        return {}
