"""Where events travel: one topic exchange, three durable queues, and the routing key of each event type."""

from __future__ import annotations

from typing import Final

from kombu import Exchange, Queue

from eventbus.wire import ATTEMPT_ENDED, REDELIVERY_ENDED, TASK_FAILED, TASK_OUTCOMES, WORKER_SEEN

FAILURES: Final = "failures"
OUTCOMES: Final = "outcomes"
TELEMETRY: Final = "telemetry"

EXCHANGE: Final = Exchange("redrive", type="topic", durable=True)

_ROUTING_KEYS: Final = {
    TASK_FAILED: FAILURES,
    ATTEMPT_ENDED: OUTCOMES,
    REDELIVERY_ENDED: OUTCOMES,
    TASK_OUTCOMES: OUTCOMES,
    WORKER_SEEN: OUTCOMES,
}
AMQP_SCHEMES: Final = frozenset({"amqp", "amqps", "pyamqp"})


def routing_key_of(event_type: str) -> str:
    """Tell which of the three queues takes an event type; what is neither failure nor outcome is telemetry."""
    return _ROUTING_KEYS.get(event_type, TELEMETRY)


def queues(url: str) -> list[Queue]:
    """Give the three queues for the bus at `url`: quorum queues on RabbitMQ, plain durable ones elsewhere."""
    scheme = url.partition("://")[0].lower()
    arguments = {"x-queue-type": "quorum"} if scheme in AMQP_SCHEMES else None
    return [
        Queue(f"redrive.{key}", EXCHANGE, routing_key=key, durable=True, queue_arguments=arguments)
        for key in (FAILURES, OUTCOMES, TELEMETRY)
    ]
