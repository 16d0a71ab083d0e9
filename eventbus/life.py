"""One start of a worker, in its main process: its journal, and what the lives of its name before it left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from eventbus.aftermath import Aftermath
from eventbus.heartbeat import Heartbeat
from eventbus.inflight import Unwritten
from eventbus.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventbus.departing import Departing
    from eventbus.inflight import InFlight
    from eventbus.publisher import Publisher


# Set by a worker's main process for the children of its pool that are executed, not forked.
PLACE_VARIABLE: Final = "REDRIVE_JOURNAL_PLACE"


def executed_child() -> bool:
    """Tell whether this process may be a pool's child that was executed, not forked (worker_pool_start_method)."""
    return "FORKED_BY_MULTIPROCESSING" in os.environ and PLACE_VARIABLE in os.environ


def joined() -> InFlight:
    """Give the journal of the worker that this process is an executed child of; one that is not written, elsewhere."""
    place = os.environ.get(PLACE_VARIABLE)
    return Journal.join(Path(place)) if place and executed_child() else Unwritten()


class Crew(Protocol):
    """Who works in this life."""

    def pids(self) -> Iterable[int]:
        """Give the processes of the pool."""

    def in_flight(self) -> int:
        """Count the tasks that run now."""


class Life:
    """Begins before the worker's pool is made, so that each child writes the same journal; `folder` holds journals."""

    def __init__(self, worker: str, folder: Path) -> None:
        self.worker = worker
        self.boot = str(uuid4())
        self.journal = Journal.open(folder, worker, self.boot)
        os.environ[PLACE_VARIABLE] = str(self.journal.place)
        self._folder = folder
        self._pid = os.getpid()
        self._aftermath: Aftermath | None = None
        self._heartbeat: Heartbeat | None = None
        self._ended = False

    def begin(self, crew: Crew, publisher: Publisher, departing: Departing, backend: Callable[[], Any]) -> None:
        """Once the pool is up: tell that this life has begun, and what earlier ones left in flight."""
        if self._aftermath is not None:
            return
        self._heartbeat = Heartbeat(
            self.worker,
            self.boot,
            children=crew.pids,
            in_flight=crew.in_flight,
            spool_bytes=lambda: publisher.waiting_bytes,
        )
        publisher.attach(self._heartbeat.due)
        publisher.start()
        self._aftermath = Aftermath(self._folder, self.worker, publisher, departing, backend)
        self._aftermath.start()

    def end(self, publisher: Publisher) -> None:
        """End, in the main process: what waits goes to bus or spool, and then what is still in flight stays written."""
        if self._pid != os.getpid() or self._ended:
            return
        self._ended = True
        if self._aftermath is not None:
            self._aftermath.stop()
        if self._heartbeat is not None:
            publisher.publish(self._heartbeat.stopped(), urgent=True)
        publisher.close()
        self.journal.close()
