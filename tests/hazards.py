"""Callers, relays and a reader on one pair of stores, which go on whatever is done to the stores meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.domain.backoff import Backoff
from orchestrator.domain.errors import RedriveError
from orchestrator.domain.events import Lane
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog import schema as eventlog
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.batches import Limits
from orchestrator.flows.forwarding import Relay
from orchestrator.sinks.warehouse import WarehouseSink
from orchestrator.warehouse import schema as warehouse
from tests.events import event, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.domain.events import Delivery

CALLERS = 3
BATCH = 5
# A caller that was refused waits so long before it sends the same batch again.
AGAIN = 0.05
LIMITS = Limits(linger=0.0, backoff=Backoff(base=0.02, cap=0.2))
SECONDS = 90.0


class Straight:
    """No breaker: every look may try."""

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Deliver."""
        return send()

    def rest(self) -> float:
        """Wait for nothing."""
        return 0.0

    def allowance(self) -> float:
        """Allow all."""
        return 1.0


@dataclass(slots=True)
class Hazards:
    """What goes on: `accepted` are the ids that callers have receipts for, `refusals` what they were told instead."""

    url: str
    warehouse_url: str
    offset: float = 0.0
    accepted: list[str] = field(default_factory=list)
    refusals: list[RedriveError] = field(default_factory=list)
    log: SqlEventLog = field(init=False)
    sink: WarehouseSink = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _calls_end: threading.Event = field(default_factory=threading.Event)
    _callers: list[threading.Thread] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _crashed: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        eventlog.STORE.migrate(self.url)
        warehouse.STORE.migrate(self.warehouse_url)
        self.log = SqlEventLog(self.url, self.clock)
        self.sink = WarehouseSink(self.warehouse_url)
        self.log.subscribe(self.sink.name, Subscription(self.sink.types))

    def clock(self) -> datetime:
        """Give this test's time."""
        return datetime.fromtimestamp(time.time() + self.offset, UTC)

    def start(self) -> None:
        """Start callers and relays."""
        relays = [
            Relay(self.log, self.sink, Subscription(self.sink.types), lane, Straight(), lambda: 1, lambda: 0.0, LIMITS)
            for lane in Lane
        ]
        self._callers = [threading.Thread(target=self._run, args=(self._call, self._calls_end)) for _ in range(CALLERS)]
        work = [partial(self._relay, each) for each in relays]
        self._threads = [
            *self._callers,
            *(threading.Thread(target=self._run, args=(each, self._stop)) for each in work),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop them all."""
        self._calls_end.set()
        self._stop.set()
        for thread in self._threads:
            thread.join(SECONDS)
        self.log.close()
        self.sink.close()

    def _run(self, step: Callable[[], None], end: threading.Event) -> None:
        try:
            while not end.is_set():
                step()
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for this thread
            self._crashed.append(error)

    def _call(self) -> None:
        if self._calls_end.wait(AGAIN / 5):
            return
        batch = [record(event()) for _ in range(BATCH)]
        while not self._stop.is_set():
            try:
                self.log.append(batch)
            except RedriveError as error:
                self.refusals.append(error)
                self._stop.wait(AGAIN)
            else:
                self.accepted += [each.id for each in batch]
                return

    def _relay(self, relay: Relay) -> None:
        try:
            self._stop.wait(relay.run_once(self.clock()) or 0.0)
        except RedriveError:
            self._stop.wait(AGAIN)

    def _rows_or_none(self) -> list[str]:
        with suppress(SQLAlchemyError):
            return self.rows()
        return []

    def rows(self) -> list[str]:
        """List the id of every row of the warehouse; raises where it does not answer."""
        engine = warehouse.STORE.open(self.warehouse_url)
        try:
            with engine.connect() as connection:
                return [str(row[0]) for row in connection.execute(text("SELECT id FROM event_logs"))]
        finally:
            engine.dispose()

    def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert not self._crashed, self._crashed
            told = f"expected {what}, got {len(self.accepted)} accepted; last refusal {self.refusals[-1:]}"
            assert time.monotonic() < deadline, told
            time.sleep(0.02)

    def more(self, events: int = 100) -> None:
        """See so many more events accepted, and everything that is accepted by then loaded."""
        wanted = len(self.accepted) + events
        self.until(f"{wanted} events accepted", lambda: len(self.accepted) >= wanted)
        known = set(self.accepted)
        self.until("them all loaded", lambda: known <= set(self._rows_or_none()))

    def settled(self) -> None:
        """Insist at the end that nothing accepted is missing, nothing is there twice, and the counts add up."""
        self.stop_callers()
        self.until("nothing pending", lambda: self.log.counts(self.sink.name).pending == 0)
        rows, counts = self.rows(), self.log.counts(self.sink.name)
        assert set(self.accepted) <= set(rows)
        assert len(rows) == len(set(rows)) == counts.delivered
        assert counts.adds_up
        assert counts.dead == 0

    def stop_callers(self) -> None:
        """Let callers end what they have in hand, and wait for that; relays go on."""
        self._calls_end.set()
        for caller in self._callers:
            caller.join(SECONDS)
            assert not caller.is_alive()


@contextmanager
def hazards(url: str, warehouse_url: str | None = None) -> Iterator[Hazards]:
    """Run callers and relays while the block runs, and check everything at its end."""
    going = Hazards(url, warehouse_url or url)
    going.start()
    try:
        yield going
        going.settled()
    finally:
        going.stop()
