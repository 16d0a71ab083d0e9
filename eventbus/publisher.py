"""Publishing events: confirmed, in batches, on a thread of its own; what the bus does not take waits in the spool."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import kombu
from billiard.exceptions import SoftTimeLimitExceeded

from eventbus import topology, wire
from eventbus.letters import Letter, Outgoing
from eventbus.losses import Losses
from eventbus.sender import Counts, Sender
from eventbus.spool import Spool, folder_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

log = logging.getLogger(__name__)

MEMORY_BYTES: Final = 32 << 20
SPOOL_BYTES: Final = 256 << 20
# RabbitMQ 4 refuses messages over 16 MiB.
MAX_EVENT_BYTES: Final = 12 << 20
CONNECT_SECONDS: Final = 3
CONFIRM_SECONDS: Final = 5
TICK_SECONDS: Final = 1.0
EXIT_SECONDS: Final = 3.0

# Connections that belong to the parent of a fork: to collect one would shut the parent's socket down.
_inherited: list[object] = []


class Bus:
    """One connection to the bus, opened when it is needed and again after an error."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._producer: Any = None

    def send(self, routing_key: str, body: bytes) -> None:
        """Publish one message and wait until the broker has it; whatever its client raises: it may not have it."""
        try:
            self._open().publish(
                body,
                exchange=topology.EXCHANGE.name,
                routing_key=routing_key,
                content_type=wire.CONTENT_TYPE,
                content_encoding="binary",
                delivery_mode=2,
                mandatory=True,
                timeout=CONFIRM_SECONDS,
                confirm_timeout=CONFIRM_SECONDS,
            )
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection without waiting for the broker; the next `send` opens another."""
        connection, self._connection, self._producer = self._connection, None, None
        try:
            if connection is not None:
                connection.collect(socket_timeout=1)
        except Exception as error:  # noqa: BLE001 - the connection is given up anyway
            log.debug("bus.close_failed: %r", error)

    def abandon(self) -> None:
        """Forget, in a forked child, the connection of the parent."""
        if self._connection is not None:
            _inherited.append((self._connection, self._producer))
        self._connection = self._producer = None

    def _open(self) -> Any:  # noqa: ANN401 - kombu has no types
        if self._producer is None:
            options = _options(urlsplit(self._url).scheme)
            self._connection = kombu.Connection(self._url, connect_timeout=CONNECT_SECONDS, transport_options=options)
            # By default kombu sleeps two seconds between its two tries; when to try again is the sender's business.
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            channel = self._connection.channel()
            for queue in topology.queues(self._url):
                queue(channel).declare()
            self._producer = kombu.Producer(channel, auto_declare=False)
        return self._producer


def _options(scheme: str) -> dict[str, object]:
    """Give what each client needs so that no call waits for ever and every publish is confirmed."""
    if scheme in topology.AMQP_SCHEMES:
        return {"confirm_publish": True}
    if scheme in {"redis", "rediss"}:
        return {"socket_timeout": CONFIRM_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    return {}


def _letter(event: wire.Event, *, droppable: bool = False) -> Letter:
    body = wire.encode_one(event)
    if len(body) > MAX_EVENT_BYTES:
        raise wire.WireError(f"expected at most {MAX_EVENT_BYTES} bytes in an event, got {len(body)} in {event.type}")
    return Letter(topology.routing_key_of(event.type), body, droppable)


class Publisher:
    """Publishes events to the bus at `url`; never waits for the bus in the caller's thread and never raises into it.

    The thread starts with the first event; a forked child has a thread, a connection and a spool file of its own.
    """

    def __init__(
        self, url: str, spool_dir: Path, *, spool_bytes: int = SPOOL_BYTES, losses: Losses | None = None
    ) -> None:
        self._bus = Bus(url)
        self._losses = losses or Losses()
        self._spool = Spool(folder_for(spool_dir, url), spool_bytes)
        self._sources: list[Callable[[], wire.Event | None]] = []
        self._begin()
        _publishers.add(self)

    def _begin(self) -> None:
        """Make what belongs to one process."""
        self._queue = Outgoing(MEMORY_BYTES)
        self._sender = Sender(self._bus.send, self._spool, self._losses)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._tick_at = 0.0

    @property
    def counts(self) -> Counts:
        """Tell what became of this process's events so far."""
        return self._sender.counts

    @property
    def has_leftovers(self) -> bool:
        """Tell whether the spool's folder holds events, of any process."""
        return self._spool.stored_bytes() > 0

    def publish(self, event: wire.Event, *, urgent: bool = False, droppable: bool = False) -> None:
        """Queue an event; an urgent one leaves at once, others within 50 ms.

        What finds no room in memory goes to the spool, or is dropped if it is `droppable`; what is dropped is counted.
        """
        try:
            letter = _letter(event, droppable=droppable)
            if self._queue.put(letter, urgent=urgent):
                self.start()
            elif droppable and not self._queue.closed:
                self._sender.drop(1, "expected room in memory, got too many events waiting for the bus", droppable=True)
            else:
                self._sender.keep([letter])
        except SoftTimeLimitExceeded:
            raise  # the task's own limit ran out while it was in here
        except Exception as error:  # noqa: BLE001 - guarantee 4: no fault of ours reaches a task
            self._sender.drop(1, error, droppable=droppable)

    def start(self) -> None:
        """Start the thread if it does not run; it also sends what dead processes left in the spool."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="redrive-publisher", daemon=True)
                    thread.start()
                    self._thread = thread

    def attach(self, source: Callable[[], wire.Event | None]) -> None:
        """Ask `source` for an event once a second while the thread runs, and when it ends."""
        self._sources.append(source)

    def flush(self, timeout: float) -> bool:
        """Send at once what waits, the spool included: True once the bus confirmed it all within `timeout` seconds."""
        queue, sender = self._queue, self._sender
        if queue.idle and sender.settled:
            return True
        refusals = sender.refusals
        sender.retry_now()
        self.start()
        queue.press()
        with queue.changed:
            queue.changed.wait_for(lambda: queue.idle and (sender.settled or sender.refusals > refusals), timeout)
            return queue.idle and sender.settled

    def close(self, timeout: float = EXIT_SECONDS) -> None:
        """Send what waits within `timeout` seconds and keep the rest in the spool; a later event starts afresh."""
        thread, queue = self._thread, self._queue
        if thread is None:
            return
        queue.press(close=True)
        thread.join(timeout)
        self._sender.keep(queue.remaining())
        if not thread.is_alive():
            self._spool.close()
            self._bus.close()
            self._begin()

    def _run(self) -> None:
        queue, sender = self._queue, self._sender
        self._tick_at = time.monotonic() + TICK_SECONDS
        patience: float | None = 0.0  # the spool may hold what others left
        while True:
            closing = queue.closed
            batch = queue.take(patience)
            try:
                sender.handle([*batch, *self._aggregates(closing=closing)])
            except Exception as error:  # noqa: BLE001 - the thread outlives any fault
                sender.drop(len(batch), error)
            queue.done()
            patience = self._patience(sender)
            if closing and queue.idle:
                return

    def _patience(self, sender: Sender) -> float | None:
        waits = [sender.patience, TICK_SECONDS if self._sources else None]
        return min((wait for wait in waits if wait is not None), default=None)

    def _aggregates(self, *, closing: bool) -> list[Letter]:
        now = time.monotonic()
        if now < self._tick_at and not closing:
            return []
        self._tick_at = now + TICK_SECONDS
        events = [event for source in self._sources if (event := source()) is not None]
        return [_letter(event) for event in events]

    def _after_fork(self) -> None:
        """Start afresh in a forked child: queue, thread, connection and file are the parent's."""
        self._bus.abandon()
        self._spool.abandon()
        self._losses.after_fork()
        self._begin()


_publishers: weakref.WeakSet[Publisher] = weakref.WeakSet()


def _reset_children() -> None:
    for publisher in list(_publishers):
        publisher._after_fork()  # noqa: SLF001 - of this module


def _close_all() -> None:
    for publisher in list(_publishers):
        publisher.close()
        publisher._losses.close()  # noqa: SLF001 - of this module


os.register_at_fork(after_in_child=_reset_children)
atexit.register(_close_all)
