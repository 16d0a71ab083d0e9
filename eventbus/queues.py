"""Which queue a message came from, and how often that queue hands it out before it drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery

COUNT_HEADER: Final = "x-delivery-count"
# https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling: since RabbitMQ 4.0.
RABBITMQ_4_LIMIT: Final = 20
REMEMBERED: Final = 1024


class Queues:
    """What one application declares of its queues, and which of them its worker consumes from."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._consumer: Any = None
        self._by_tag: dict[str, str] = {}
        self._by_route: dict[tuple[Any, Any], str | None] = {}
        self._default_limit: int | None = None

    def consumed_by(self, consumer: Any) -> None:  # noqa: ANN401 - celery has no types
        """Take the worker's consumer, each time that it is connected."""
        self._consumer = consumer
        self._by_tag, self._by_route = {}, {}
        self._default_limit = _limit_of_server(consumer)

    def of(self, delivery: Mapping[str, Any]) -> str | None:
        """Name the queue of a message by its delivery; None where it can't be told."""
        tag = delivery.get("consumer_tag")
        if tag is None:
            route = (delivery.get("exchange"), delivery.get("routing_key"))
            if route not in self._by_route:
                if len(self._by_route) >= REMEMBERED:
                    self._by_route.clear()
                self._by_route[route] = self._routed(*route)
            return self._by_route[route]
        if tag not in self._by_tag:
            tags = self._consumer.task_consumer._active_tags if self._consumer else {}  # noqa: SLF001 - kombu shows it nowhere else
            self._by_tag = {each: name for name, each in tags.items()}
            self._by_tag.setdefault(tag, "")
        return self._by_tag[tag] or None

    def limit_of(self, queue: str | None) -> int | None:
        """Give how many deliveries of a message may fail before the queue drops it; None for no limit that is known."""
        if queue not in self._app.amqp.queues:
            return None
        arguments = self._app.amqp.queues[queue].queue_arguments or {}
        if arguments.get("x-queue-type") != "quorum":
            return None
        limit = arguments.get("x-delivery-limit", self._default_limit)
        return limit if isinstance(limit, int) and limit >= 0 else None

    def _routed(self, exchange: str | None, routing_key: str | None) -> str | None:
        consumed = self._app.amqp.queues.consume_from
        if len(consumed) == 1:
            return str(next(iter(consumed)))
        for name, queue in consumed.items():
            if (queue.exchange.name, queue.routing_key) == (exchange, routing_key):
                return str(name)
        return routing_key if not exchange and routing_key in consumed else None


def delivered_before(headers: Mapping[str, Any] | None) -> int:
    """Count the deliveries of a message that failed; RabbitMQ's quorum queues tell it."""
    count = (headers or {}).get(COUNT_HEADER, 0)
    return count if isinstance(count, int) else 0


def _limit_of_server(consumer: Any) -> int | None:  # noqa: ANN401 - celery has no types
    connection = getattr(getattr(consumer, "connection", None), "connection", None)
    version = (getattr(connection, "server_properties", None) or {}).get("version", "")
    major = str(version).partition(".")[0]
    return RABBITMQ_4_LIMIT if major.isdigit() and int(major) >= 4 else None  # noqa: PLR2004 - the release above
