"""What waits on a RabbitMQ is counted; where it cannot be, that is not none."""

from __future__ import annotations

from kombu import Connection, Queue

from loadtests.bed.waiting import QUEUES, ready_on

NOBODY = "amqp://guest:guest@127.0.0.1:1//"


def test_what_waits_is_counted_and_a_queue_that_is_missing_is_not_an_empty_one(rabbitmq: str) -> None:
    """Two messages in one of three queues are two; before the queues are there nobody knows."""
    assert ready_on(rabbitmq) is None
    with Connection(rabbitmq, transport_options={"confirm_publish": True}) as connection:
        for name in QUEUES:
            Queue(name, durable=True)(connection.default_channel).declare()
        for _ in range(2):
            connection.Producer().publish("a message", routing_key=QUEUES[0])
        assert ready_on(rabbitmq) == 2


def test_a_server_that_does_not_answer_has_no_number() -> None:
    """Nobody knows what waits there."""
    assert ready_on(NOBODY) is None
