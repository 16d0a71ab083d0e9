"""The topology: every event type has a queue, and only RabbitMQ gets quorum queues."""

from __future__ import annotations

import pytest

from eventbus import topology, wire


@pytest.mark.parametrize(
    ("event_type", "key"),
    [
        (wire.TASK_FAILED, "failures"),
        (wire.ATTEMPT_ENDED, "outcomes"),
        (wire.TASK_OUTCOMES, "outcomes"),
        (wire.LLM_CALL, "telemetry"),
        ("acme.anything", "telemetry"),
    ],
)
def test_each_type_has_its_queue(event_type: str, key: str) -> None:
    """Failures and outcomes never wait behind telemetry."""
    assert topology.routing_key_of(event_type) == key


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("amqp://guest@h//", {"x-queue-type": "quorum"}),
        ("amqps://h//", {"x-queue-type": "quorum"}),
        ("redis://h/0", None),
        ("redrive+sqlite:////var/bus.sqlite", None),
    ],
)
def test_queues_are_durable_and_quorum_on_rabbitmq_alone(url: str, arguments: dict[str, str] | None) -> None:
    """The three queues are durable; quorum where the broker has such queues."""
    queues = topology.queues(url)
    assert [queue.name for queue in queues] == ["redrive.failures", "redrive.outcomes", "redrive.telemetry"]
    assert all(queue.durable and queue.queue_arguments == arguments for queue in queues)
