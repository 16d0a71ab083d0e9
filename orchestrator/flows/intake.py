"""Intake: what comes from the bus goes into the event log, then into the ledger, and only then is the message let go.

Each step may be repeated: events are told apart by (source, id), so a crash between any two changes nothing.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from eventbus.wire import ATTEMPT_ENDED, LLM_CALL, TASK_FAILED, Event, WireError, decode, encode_one, join
from orchestrator.domain.attempts import Outcome
from orchestrator.domain.errors import Unstorable
from orchestrator.domain.events import NO_PRICE, EventRecord, row_key
from orchestrator.domain.ids import derive
from orchestrator.domain.moment import Moment
from orchestrator.domain.routing import lane_of
from orchestrator.failpoints import hit
from orchestrator.flows.outcomes import record_outcome
from orchestrator.flows.reading import ended_of, failure_of
from orchestrator.flows.recording import Recorder, record_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.domain.events import Price
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import EventLog, Pricing

UNREADABLE = "redrive.message.refused.v1"
SOURCE = "urn:redrive:intake"


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes bus messages in. `jitter` gives a number in [0, 1); `note_lag` is told the age in seconds of each batch."""

    log: EventLog
    ledger: Ledger
    pricing: Pricing
    recorder: Recorder
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    note_lag: Callable[[float], None] = lambda _seconds: None

    def handle(self, bodies: Sequence[bytes]) -> int:
        """Take in the bodies of bus messages, which may be acknowledged afterwards. Gives the number of events."""
        now = self.clock()
        events = self._keep([event for body in bodies for event in read(body, now)], now)
        hit("eventlog_committed")
        self._commit(events, now)
        hit("ledger_committed")
        self.note_lag(max(((now - event.time).total_seconds() for event in events), default=0.0))
        return len(events)

    def _keep(self, events: list[Event], now: datetime) -> list[Event]:
        try:
            self.log.append([self._record(event) for event in events])
        except Unstorable as error:
            if len(events) > 1:
                return [kept for event in events for kept in self._keep([event], now)]
            events = [refused(encode_one(event), str(error), now) for event in events]
            self.log.append([record_of(event) for event in events])
        return events

    def _record(self, event: Event) -> EventRecord:
        price = self.pricing.price(event.data, event.time) if event.type == LLM_CALL else NO_PRICE
        return record_of(event, price)

    def _commit(self, events: Sequence[Event], now: datetime) -> None:
        try:
            with self.ledger.transaction() as tx:
                for event in events:
                    self._note(tx, event, Moment(now, self.jitter()))
        except Unstorable as error:
            # One event that the ledger can never hold must not keep the others of its batch out of it.
            if len(events) > 1:
                for event in events:
                    self._commit([event], now)
            else:
                self.log.append([record_of(refused(encode_one(event), str(error), now)) for event in events])

    def _note(self, tx: LedgerTx, event: Event, moment: Moment) -> None:
        if event.type == TASK_FAILED:
            record_failure(tx, self.recorder, failure_of(event), event.data, moment)
        elif event.type == ATTEMPT_ENDED:
            ended = ended_of(event)
            if tx.first_sight(ended.event_id, None, ended.attempt_id):
                outcome = Outcome(failed_with=None if ended.succeeded else "", again=ended.ran)
                record_outcome(tx, ended.attempt_id, outcome, moment)


def record_of(event: Event, price: Price = NO_PRICE) -> EventRecord:
    """File an event under its key and lane."""
    return EventRecord(
        key=row_key(event.source, event.id),
        id=event.id,
        source=event.source,
        type=event.type,
        time=event.time,
        lane=lane_of(event.type),
        body=encode_one(event),
        price=price,
    )


def read(body: bytes, now: datetime) -> list[Event]:
    """Give the events of one bus message; what cannot be read is kept whole, and takes no other event with it."""
    try:
        return [_checked(event, now) for event in decode(body)]
    except WireError as error:
        parts = _parts(body)
        if len(parts) > 1:
            return [event for part in parts for event in read(part, now)]
        return [refused(body, str(error), now)]


def _parts(body: bytes) -> list[bytes]:
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    return [join([orjson.dumps(each)]) for each in batch] if isinstance(batch, list) else []


def _checked(event: Event, now: datetime) -> Event:
    """Let an event through that log and ledger will be able to hold; keep another one whole, as refused."""
    try:
        event.time.astimezone(UTC)
        if event.type == TASK_FAILED:
            failure_of(event)
        elif event.type == ATTEMPT_ENDED:
            ended_of(event)
    except (WireError, OverflowError) as error:
        return refused(encode_one(event), str(error), now)
    return event


def refused(body: bytes, why: str, now: datetime) -> Event:
    """Keep what cannot be read, whole, as an event of its own: the same bytes give the same event."""
    data = {"why": why, "body": b64encode(body).decode()}
    return Event(
        id=str(derive("refused", sha256(body).hexdigest())), source=SOURCE, type=UNREADABLE, time=now, data=data
    )
