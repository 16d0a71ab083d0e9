"""How many messages wait on an event bus that is a server."""

from __future__ import annotations

from typing import Final

from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import KombuError

ASK_SECONDS: Final = 2.0
# The queues that the orchestrator reads, as docs/events.md names them.
QUEUES: Final = ("redrive.failures", "redrive.outcomes", "redrive.telemetry")


def ready_on(url: str, queues: tuple[str, ...] = QUEUES) -> int | None:
    """Count the messages that wait in queues of a RabbitMQ; None where it does not answer, or lacks one of them."""
    try:
        with Connection(url, connect_timeout=ASK_SECONDS) as connection:
            connection.connect()  # once: the default channel would try again and again
            channel = connection.channel()
            return sum(int(channel.queue_declare(name, passive=True).message_count) for name in queues)
    except (OSError, AMQPError, KombuError):
        return None
