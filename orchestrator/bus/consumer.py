"""The orchestrator's end of the bus: messages are handed on in batches, and acknowledged once that has returned."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from kombu import Consumer
from kombu.exceptions import KombuError

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

    `on_drained` is called every few seconds while the bus answers that nothing waits in them.
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
                except LogFull as full:
                    # All of it stays on the bus, unacknowledged, and is handed over again.
                    log.warning("eventlog.full", messages=len(self._waiting), again_in=full.retry_after)
                    stop.wait(full.retry_after)
                    continue
                if drained:
                    self._tell(channel, wanted)

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

    def _tell(self, channel: Any, wanted: Sequence[Queue]) -> None:  # noqa: ANN401 - each transport has its own
        """Ask the bus, which a connection that died in silence would not do, whether all is read; then say so.

        A message that is on its way to us waits in no queue any more. It comes before the answer to a second question:
        a channel sends in the order of what it is told.
        """
        if self.on_drained is None or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + READ_EVERY
        for _ in range(2):
            if any(channel.queue_declare(queue=each.name, passive=True).message_count for each in wanted):
                return
        if self._waiting:
            self._ask_at = 0.0  # they are handed over first
        else:
            self.on_drained()


def _bytes(body: Any) -> bytes:  # noqa: ANN401 - each transport gives its own type
    return body.encode() if isinstance(body, str) else bytes(body)
