"""The orchestrator's end of the bus: messages are handed on in batches, and acknowledged once that has returned."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from kombu import Consumer
from kombu.exceptions import KombuError
from kombu.transport import virtual

import eventbus.transport  # noqa: F401 - makes redrive+sqlite:// known to kombu
from eventbus.topology import queues
from orchestrator.bus.connecting import connect
from orchestrator.domain.errors import DependencyUnreachable, LogFull
from orchestrator.domain.workers import READ_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from kombu import Connection, Queue
    from kombu.message import Message

log = structlog.get_logger("redrive")

PREFETCH = 200
IDLE_SECONDS = 0.1
# So long may the next message take that goes into one batch with those before it.
COMPANY_SECONDS = 0.001


@dataclass(slots=True)
class BusConsumer:
    """Reads some of the queues of the bus at `url`. `handle` takes a batch's bodies and returns once they are safe.

    While `handle` raises LogFull, the messages stay on the bus.

    `on_drained` is called every few seconds while the bus answers that nothing waits in them: all that was sent before
    it was asked has been handed over then, but for what another consumer holds.
    """

    url: str
    keys: Sequence[str]
    handle: Callable[[Sequence[bytes]], Any]
    on_drained: Callable[[], Any] | None = None
    _waiting: list[Message] = field(default_factory=list)
    _ask_at: float = 0.0

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
                drained = self._collect(connection)
                try:
                    self._hand_over()
                    if drained:
                        self._tell(connection, wanted)
                except LogFull as full:
                    # All of it stays on the bus, unacknowledged, and is handed over again.
                    log.warning("eventlog.full", messages=len(self._waiting), again_in=full.retry_after)
                    stop.wait(full.retry_after)

    def _collect(self, connection: Connection) -> bool:
        """Wait for a batch; True when nothing more came."""
        wait = IDLE_SECONDS
        while len(self._waiting) < PREFETCH:
            try:
                connection.drain_events(timeout=wait)
            except TimeoutError:
                return True
            wait = COMPANY_SECONDS
        return False

    def _hand_over(self) -> None:
        if not self._waiting:
            return
        self.handle([_bytes(message.body) for message in self._waiting])
        for message in self._waiting:
            message.ack()
        self._waiting.clear()

    def _tell(self, connection: Connection, wanted: Sequence[Queue]) -> None:
        """Ask the bus, which a connection that died in silence would not do, whether all is read; then say so.

        A message that is on its way to us waits in no queue any more. From RabbitMQ on one node it comes before the
        answer to a second question, as a channel sends in the order of what it is told; from Redis with the next read.
        """
        if self.on_drained is None or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + READ_EVERY
        channel = connection.default_channel
        if not all(is_empty(channel, queue.name) for _ in range(2) for queue in wanted):
            return
        self._collect(connection)
        self._hand_over()
        self.on_drained()


def is_empty(channel: Any, queue: str) -> bool:  # noqa: ANN401 - each transport has its own
    """Whether the bus says that nobody has yet to take a message of a queue that we consume; raises its errors."""
    if isinstance(channel, virtual.Channel):
        # Redis has no queue that is empty, and asking for one by its name is refused there.
        return not channel._size(queue)  # noqa: SLF001 - what kombu asks itself, once it has found the name
    found = channel.queue_declare(queue=queue, passive=True)
    # A quorum queue whose leader does not answer in time is said to have no message, and no consumer either.
    return int(found.message_count) == 0 and int(found.consumer_count) > 0


def _bytes(body: Any) -> bytes:  # noqa: ANN401 - each transport gives its own type
    return body.encode() if isinstance(body, str) else bytes(body)
