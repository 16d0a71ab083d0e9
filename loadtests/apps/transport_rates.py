"""How many messages a second one process puts on a broker and gets back, by the same kombu code for every transport."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from kombu import Connection, Consumer, Exchange, Producer, Queue

import eventbus.transport  # noqa: F401 - registers the server-less bus

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFETCH: Final = 64
CONNECT_SECONDS: Final = 3
SILENCE_SECONDS: Final = 10
# As large as the message of a small Celery task.
BODY: Final = {"args": ["x" * 600], "kwargs": {}, "embed": {"callbacks": None, "errbacks": None, "chain": None}}


def measure(url: str, options: dict[str, Any], messages: int) -> dict[str, float]:
    """Put that many messages one by one, then get and acknowledge them all; gives both in messages a second."""
    name = f"redrive-rates-{uuid4().hex}"
    with Connection(url, transport_options=options, connect_timeout=CONNECT_SECONDS) as connection:
        connection.ensure_connection(max_retries=1)
        queue = Queue(name, Exchange(name, type="direct", durable=True), routing_key="rates", durable=True)
        bound = queue(connection.channel())
        bound.declare()
        try:
            put, got = put_all(connection, queue, messages), get_all(connection, queue, messages)
        finally:
            bound.delete()
            bound.exchange.delete()
    return {"put": messages / put, "get_and_ack": messages / got}


def put_all(connection: Connection, queue: Queue, messages: int) -> float:
    """Publish persistent messages; gives the seconds taken."""
    with Producer(connection.channel(), exchange=queue.exchange, routing_key=queue.routing_key) as producer:
        producer.publish(BODY)  # opens what is opened at the first message
        began = time.perf_counter()
        for _ in range(messages - 1):
            producer.publish(BODY)
        return time.perf_counter() - began


def get_all(connection: Connection, queue: Queue, messages: int) -> float:
    """Consume and acknowledge until all have come; gives the seconds taken."""
    left = messages
    consumer = Consumer(connection.channel(), [queue], prefetch_count=PREFETCH)

    def settle(_body: object, message: Any) -> None:  # noqa: ANN401 - kombu's message class depends on the transport
        nonlocal left
        message.ack()
        left -= 1

    consumer.register_callback(settle)
    with consumer:
        began = time.perf_counter()
        while left:
            connection.drain_events(timeout=SILENCE_SECONDS)
        return time.perf_counter() - began


def main(argv: Sequence[str] | None = None) -> None:
    """Print the two rates of one transport as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("messages", type=int)
    parser.add_argument("--options", type=json.loads, default={}, help="kombu's transport options, as JSON")
    arguments = parser.parse_args(argv)
    print(json.dumps(measure(arguments.url, arguments.options, arguments.messages)))


if __name__ == "__main__":
    main()
