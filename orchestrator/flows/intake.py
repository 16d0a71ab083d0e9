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

from eventbus.wire import (
    ATTEMPT_ENDED,
    LLM_CALL,
    OWN_TYPES,
    REDELIVERY_ENDED,
    TASK_FAILED,
    TASK_OUTCOMES,
    WORKER_SEEN,
    Event,
    WireError,
    decode,
    encode_one,
    join,
)
from orchestrator.domain.attempts import Outcome
from orchestrator.domain.errors import LogFull, Unstorable
from orchestrator.domain.events import NO_PRICE, row_key
from orchestrator.domain.ids import derive
from orchestrator.domain.moment import Moment
from orchestrator.domain.probes import is_probe
from orchestrator.domain.room import is_urgent
from orchestrator.failpoints import hit
from orchestrator.flows.filing import record_of as record_of  # noqa: PLC0414 - re-exported: others file by it too
from orchestrator.flows.health import note, of_outcomes
from orchestrator.flows.outcomes import hear_end
from orchestrator.flows.probe_ends import probe_ended, probe_failed
from orchestrator.flows.reading import check_counts, ended_of, failure_of, redelivery_of
from orchestrator.flows.recording import Recorder, record_failure
from orchestrator.flows.redelivery import end_redelivery
from orchestrator.flows.workers import beat_of, note_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.domain.events import EventRecord
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.ports import EventLog, Pricing
    from orchestrator.flows.health import Sighting

UNREADABLE = "redrive.message.refused.v1"
SOURCE = "urn:redrive:intake"
# What the ledger hears of; all else is for the sinks alone.
HEARD = frozenset({TASK_FAILED, TASK_OUTCOMES, ATTEMPT_ENDED, REDELIVERY_ENDED, WORKER_SEEN})
# Events of one transaction of the ledger: one writer at a time, and a person's command waits for no storm.
AT_ONCE = 500


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
        """Take in the bodies of bus messages, which may be acknowledged afterwards. Gives the number of events.

        Raises LogFull where there is no room for all of them: what may go into the reserve is taken in all the same.
        """
        now = self.clock()
        try:
            return self._handle([event for body in bodies for event in read(body, now)], now)
        except WireError:
            # What was read and cannot be written is looked for only here: it costs to write all of them once more.
            return self._handle([event for body in bodies for event in read(body, now, check_writing)], now)

    def _handle(self, events: list[Event], now: datetime) -> int:
        try:
            return self._take_in(events, now)
        except LogFull:
            urgent = [event for event in events if is_urgent(event.type)]
            if len(urgent) < len(events):
                self._take_in(urgent, now)
            raise

    def _take_in(self, events: list[Event], now: datetime) -> int:
        kept = self._keep(events, now)
        hit("eventlog_committed")
        for start in range(0, len(kept), AT_ONCE):
            self.commit(kept[start : start + AT_ONCE], now)
        hit("ledger_committed")
        self.note_lag(max(((now - event.time).total_seconds() for event in kept), default=0.0))
        return len(kept)

    def _keep(self, events: list[Event], now: datetime) -> list[Event]:
        try:
            self.log.append([self.record(event) for event in events])
        except Unstorable as error:
            if len(events) > 1:
                return [kept for event in events for kept in self._keep([event], now)]
            events = [refused(encode_one(event), str(error), now) for event in events]
            self.log.append([record_of(event) for event in events])
        return events

    def record(self, event: Event, body: bytes | None = None) -> EventRecord:
        """File an event, with its price where it has one; raises WireError for one that JSON cannot hold."""
        price = self.pricing.price(event.data, event.time) if event.type == LLM_CALL else NO_PRICE
        return record_of(event, price, body)

    def commit(self, events: Sequence[Event], now: datetime) -> None:
        """Have the ledger hear of events that the log holds."""
        try:
            with self.ledger.transaction() as tx:
                moment = Moment(now, self.jitter(), self.recorder.policies)
                recall(tx, events)
                note(tx, [each for event in events for each in self._note(tx, event, moment)], moment.policies)
        except Unstorable as error:
            # One event that the ledger can never hold must not keep the others of its batch out of it.
            if len(events) > 1:
                for event in events:
                    self.commit([event], now)
            else:
                self.log.append([record_of(refused(encode_one(event), str(error), now)) for event in events])

    def _note(self, tx: LedgerTx, event: Event, moment: Moment) -> Sequence[Sighting]:
        """Take one event in; gives what it tells of dependencies."""
        if event.type == TASK_FAILED:
            return self._note_failure(tx, event, moment)
        if event.type == TASK_OUTCOMES:
            return self._note_counts(tx, event, moment)
        self._hear(tx, event, moment)
        return []

    def _note_counts(self, tx: LedgerTx, event: Event, moment: Moment) -> Sequence[Sighting]:
        """Give what a worker's counts tell; their event tells it once, however often the bus delivers it."""
        sightings = of_outcomes(event.data, event.time, moment.at, self.recorder.dependency_of)
        if sightings and tx.first_sight(_key_of(event), None, None, moment.at):
            return sightings
        return []

    def _hear(self, tx: LedgerTx, event: Event, moment: Moment) -> None:
        if event.type == WORKER_SEEN:
            note_worker(tx, beat_of(event), moment.at)
        elif event.type == ATTEMPT_ENDED:
            ended = ended_of(event)
            if is_probe(ended.attempt_id, ended.task_id):
                probe_ended(tx, ended, moment.at)
            elif tx.first_sight(ended.event_id, None, ended.attempt_id, moment.at):
                failed_with = None if ended.succeeded else ""
                outcome = Outcome(failed_with=failed_with, again=ended.ran, ended_at=ended.ended_at)
                hear_end(tx, ended.attempt_id, outcome, moment)
        elif event.type == REDELIVERY_ENDED:
            end_redelivery(tx, redelivery_of(event), moment.at)

    def _note_failure(self, tx: LedgerTx, event: Event, moment: Moment) -> Sequence[Sighting]:
        failure = failure_of(event)
        if is_probe(failure.attempt_id, failure.task_id):
            probe_failed(tx, failure, moment.at)
            return []
        sighting = record_failure(tx, self.recorder, failure, event.data, moment)
        return [sighting] if sighting else []


def recall(tx: LedgerTx, events: Sequence[Event]) -> None:
    """Have the ledger read at once what each of these events is going to ask for."""
    failures = [failure_of(event) for event in events if event.type == TASK_FAILED]
    attempts = [ended_of(event) for event in events if event.type == ATTEMPT_ENDED]
    counts = [_key_of(event) for event in events if event.type == TASK_OUTCOMES]
    told = [*(each.event_id for each in failures), *(each.event_id for each in attempts), *counts]
    redriven = [each.attempt_id for each in failures if each.attempt_id]
    tx.recall(told, [each.id for each in failures], [*redriven, *(each.attempt_id for each in attempts)])


def _key_of(event: Event) -> str:
    return str(row_key(event.source, event.id))


def read(body: bytes, now: datetime, check_more: Callable[[Event], object] = lambda _event: None) -> list[Event]:
    """Give the events of one bus message; what cannot be read is kept whole, and takes no other event with it."""
    try:
        events = decode(body)
        for event in events:
            check_more(event)
        return [_checked(event, now) for event in events]
    except (WireError, RecursionError) as error:
        # The message of an error shows the value that was wrong, which may be too deep for that.
        batch = _batch(body)
        if len(batch) > 1:
            return [event for each in batch for event in _read_one(each, body, now, check_more)]
        return [refused(body, str(error), now)]


def check_writing(event: Event) -> None:
    """Raise WireError for an event that was read and cannot be written: JSON is read deeper than it is written."""
    encode_one(event)


def _batch(body: bytes) -> list[object]:
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    return batch if isinstance(batch, list) else []


def _read_one(each: object, message: bytes, now: datetime, check_more: Callable[[Event], object]) -> list[Event]:
    """Read one of a message's events by itself; the whole message is kept for one that cannot be written."""
    try:
        part = join([orjson.dumps(each)])
    except TypeError as error:
        return [refused(message, f"expected an event that can be written as JSON, got one with {error}", now)]
    return read(part, now, check_more)


def _checked(event: Event, now: datetime) -> Event:
    """Let an event through that log and ledger will be able to hold; keep another one whole, as refused."""
    try:
        check(event)
    except (WireError, OverflowError) as error:
        return refused(encode_one(event), str(error), now)
    return event


def check(event: Event) -> None:
    """Raise WireError or OverflowError for an event that log or ledger will not be able to hold, or that is our own."""
    if event.type in OWN_TYPES:
        raise WireError(f"expected a type that others send, got {event.type}, which the orchestrator alone makes")
    event.time.astimezone(UTC)
    if event.type == TASK_FAILED:
        failure_of(event)
    elif event.type == ATTEMPT_ENDED:
        ended_of(event)
    elif event.type == REDELIVERY_ENDED:
        redelivery_of(event)
    elif event.type == WORKER_SEEN:
        beat_of(event)
    elif event.type == TASK_OUTCOMES:
        check_counts(event)


def refused(body: bytes, why: str, now: datetime) -> Event:
    """Keep what cannot be read, whole, as an event of its own: the same bytes give the same event."""
    data = {"why": why, "body": b64encode(body).decode()}
    return Event(
        id=str(derive("refused", sha256(body).hexdigest())), source=SOURCE, type=UNREADABLE, time=now, data=data
    )
