"""Publishing events: confirmed, in batches, on a thread of its own; what the bus does not take waits in the spool."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import TYPE_CHECKING, Final

from billiard.exceptions import SoftTimeLimitExceeded

from eventbus import topology, wire
from eventbus.ahead import Ahead
from eventbus.bus import Bus
from eventbus.courier import Courier
from eventbus.letters import Letter, Outgoing, Receipt
from eventbus.limits import Limits, limits_of
from eventbus.losses import Losses
from eventbus.sender import Counts, Sender
from eventbus.spool import Spool, folder_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEMORY_BYTES: Final = 32 << 20
# RabbitMQ 4 refuses messages over 16 MiB.
MAX_EVENT_BYTES: Final = 12 << 20
EXIT_SECONDS: Final = 3.0
# For the thread to write what waits to the disk, when it need not try the bus any more.
KEEP_SECONDS: Final = 0.5


def _letter(event: wire.Event, *, droppable: bool = False) -> Letter:
    body = wire.encode_one(event)
    if len(body) > MAX_EVENT_BYTES:
        raise wire.WireError(f"expected at most {MAX_EVENT_BYTES} bytes in an event, got {len(body)} in {event.type}")
    return Letter(topology.routing_key_of(event.type), body, droppable)


def _letter_of(event: wire.Event, instead: Callable[[], wire.Event] | None, *, droppable: bool) -> Letter:
    try:
        return _letter(event, droppable=droppable)
    except wire.WireError:
        if instead is None:
            raise
        return _letter(instead(), droppable=droppable)


class Publisher:
    """Publishes events to the bus at `url`; never waits for the bus in the caller's thread and never raises into it.

    Every event but a span is in a file before `publish` returns, where the disk takes it: a process that is killed
    loses none of them. The thread starts with the first event; a forked child has a thread, a connection and files of
    its own. `limits` bound the spool, by default those of the environment (`limits_of`, which raises LimitError).
    """

    def __init__(
        self, url: str, spool_dir: Path, *, limits: Limits | None = None, losses: Losses | None = None
    ) -> None:
        limits = limits or limits_of()
        folder = folder_for(spool_dir, url)
        self._bus = Bus(url)
        self._losses = losses or Losses()
        self._spool = Spool(folder, limits)
        self._ahead = Ahead(folder, limits.max_bytes)
        self._sources: list[Callable[[], Letter | None]] = []
        self._forked = False
        self._begin()
        _publishers.add(self)

    def _begin(self, *, away: bool = False) -> None:
        """Make what belongs to one process; `away`: the bus was, when its parent tried it last."""
        self._queue = Outgoing(MEMORY_BYTES)
        self._sender = Sender(self._bus.send, self._spool, self._losses, away=away)
        self._courier = Courier(self._queue, self._sender, self._sources)

    @property
    def counts(self) -> Counts:
        """Tell what became of this process's events so far."""
        return self._sender.counts

    @property
    def waiting_bytes(self) -> int:
        """Count the bytes on disk that wait for the bus, of every process that uses the folder; it lists the folder."""
        return self._spool.stored_bytes()

    def publish(
        self,
        event: wire.Event,
        *,
        urgent: bool = False,
        droppable: bool = False,
        on_kept: Callable[[], None] | None = None,
        instead: Callable[[], wire.Event] | None = None,
    ) -> None:
        """Queue an event; an urgent one leaves at once, others within 50 ms.

        What finds no room in memory goes to the spool, or is dropped if it is `droppable`; what is dropped is counted.
        `on_kept` is called once the bus confirmed the event or the spool's file has it, never for one that was dropped:
        in the sending thread, or here when the event went straight to the spool. It must be quick.
        `instead` makes the event that leaves where this one cannot be encoded, or is too large.
        """
        try:
            letter = _letter_of(event, instead, droppable=droppable)
            self._put(self._followed(letter, on_kept), urgent=urgent)
        except SoftTimeLimitExceeded:
            raise  # the task's own limit ran out while it was in here
        except Exception as error:  # noqa: BLE001 - guarantee 4: no fault of ours reaches a task
            self._sender.drop(1, error, droppable=droppable)

    def _followed(self, letter: Letter, on_kept: Callable[[], None] | None) -> Letter:
        release = None if letter.droppable else self._ahead.hold(letter)
        if on_kept is None and release is None:
            return letter
        return Letter(letter.routing_key, letter.body, letter.droppable, Receipt(on_kept, release))

    def _put(self, letter: Letter, *, urgent: bool) -> None:
        if self._queue.put(letter, urgent=urgent):
            self.start()
        elif letter.droppable and not self._queue.closed:
            self._sender.lose(
                [letter], "expected room in memory, got too many events waiting for the bus: mend the bus"
            )
        else:
            self._sender.keep([letter])

    def start(self) -> None:
        """Start the thread if it does not run; it also sends what dead processes left in the spool."""
        self._courier.start()

    def attach(self, source: Callable[[], wire.Event | None]) -> None:
        """Ask `source` for an event once a second while the thread runs, and when it ends."""
        self._sources.append(lambda: None if (event := source()) is None else _letter(event))

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
        """Send what waits within `timeout` seconds and keep the rest in the spool; a later event starts afresh.

        A forked child does not wait for a bus that refused it, or its parent, last: a worker that recycles its children
        would have a place in its pool stand idle for each hopeless connect. What waits is kept at once.
        """
        if not self._courier.started:
            return
        if self._forked and self._sender.away:
            self._sender.rest()
            timeout = min(timeout, KEEP_SECONDS)
        ended = self._courier.stop(timeout)
        self._sender.keep([*self._queue.remaining(), *([] if ended else self._courier.last_told())])
        self._ahead.close()
        if ended:
            self._spool.close()
            self._bus.close()
            self._begin()

    def _after_fork(self) -> None:
        """Start afresh in a forked child: queue, thread, connection and files are the parent's."""
        self._bus.abandon()
        self._spool.abandon()
        self._ahead.abandon()
        self._losses.after_fork()
        self._forked = True
        self._begin(away=self._sender.away)


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
