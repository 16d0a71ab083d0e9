"""The orchestrator's end of the bus: messages are handed on in batches, and acknowledged once that has returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kombu import Consumer
from kombu.exceptions import KombuError

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from eventbus.topology import queues
from orchestrator.bus.connecting import connect
from orchestrator.domain.errors import DependencyUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from kombu import Connection
    from kombu.message import Message

PREFETCH = 200
IDLE_SECONDS = 0.1


@dataclass(slots=True)
class BusConsumer:
    """Reads some of the queues of the bus at `url`. `handle` takes a batch's bodies and returns once they are safe."""

    url: str
    keys: Sequence[str]
    handle: Callable[[Sequence[bytes]], Any]
    _waiting: list[Message] = field(default_factory=list)

    def run(self, stop: Event) -> None:
        """Consume until told to stop; raises DependencyUnreachable when the bus goes away.

        What was not acknowledged comes again.
        """
        self._waiting.clear()
        with connect(self.url) as connection:
            try:
                self._consume(connection, stop)
            except (*connection.connection_errors, *connection.channel_errors, KombuError) as error:
                raise DependencyUnreachable("the bus", str(error)) from error

    def _consume(self, connection: Connection, stop: Event) -> None:
        channel = connection.default_channel
        wanted = [queue for queue in queues(self.url) if queue.routing_key in self.keys]
        consumer = Consumer(channel, queues=wanted, on_message=self._waiting.append, prefetch_count=PREFETCH)
        with consumer:
            while not stop.is_set():
                self._collect(connection)
                self._hand_over()

    def _collect(self, connection: Connection) -> None:
        wait = IDLE_SECONDS
        while len(self._waiting) < PREFETCH:
            try:
                connection.drain_events(timeout=wait)
            except TimeoutError:
                return
            wait = 0.005

    def _hand_over(self) -> None:
        if not self._waiting:
            return
        self.handle([_bytes(message.body) for message in self._waiting])
        for message in self._waiting:
            message.ack()
        self._waiting.clear()


def _bytes(body: Any) -> bytes:  # noqa: ANN401 - each transport gives its own type
    return body.encode() if isinstance(body, str) else bytes(body)
