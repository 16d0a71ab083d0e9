"""Puts blocks of tasks into the queues of the benchmarks' workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

import eventbus.transport  # noqa: F401 - registers the server-less bus

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECT_SECONDS = 5


class Feeder:
    """Sends tasks to the broker at `url`; raises ConnectionError when it does not answer."""

    def __init__(self, url: str) -> None:
        self._app = Celery("feeder", broker=url)
        with self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)

    def send(self, queue: str, task: str, *arguments: str) -> None:
        """Put one task into a queue."""
        self._app.send_task(task, args=arguments, queue=queue, ignore_result=True)

    def delete(self, queues: Iterable[str]) -> None:
        """Delete queues with what is in them, and let the broker go."""
        with self._app.connection_for_write() as connection:
            for queue in queues:
                connection.default_channel.queue_delete(queue)
        self._app.close()
