"""Intake: the event log, then the ledger, then the acknowledgement; each step may be repeated, nothing blocks it."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
import pytest

from eventbus.wire import LLM_CALL, OWN_TYPES, SPAN_ENDED, TASK_OUTCOMES, Event, encode, encode_one, from_mapping
from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.errors import DependencyUnreachable, LogFull, Unstorable
from orchestrator.domain.events import Appended, EventRecord, Lane, Price, PricingStatus
from orchestrator.domain.failures import FailureState
from orchestrator.domain.room import UNBOUNDED, Room
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.flows.intake import AT_ONCE, UNREADABLE, Intake
from orchestrator.flows.recording import Recorder
from tests.events import own_samples
from tests.recovery import NOON, ended_event, failed_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.domain.standing import StoredFailure
    from orchestrator.ledger.sql import SqlTransaction


class Killed(BaseException):
    """The process dies here."""


@dataclass
class RecordingLog(MemoryEventLog):
    """An event log that notes when it was written, and dies or refuses when told."""

    steps: list[str] = field(default_factory=list)
    refuses: str | None = None

    def __post_init__(self) -> None:
        """Be empty."""
        MemoryEventLog.__init__(self)

    def append(self, records: Sequence[EventRecord]) -> Appended:
        """Note the write."""
        if self.refuses and any(self.refuses in each.id for each in records):
            raise Unstorable("event log", "so")
        self.steps.append("log")
        return super().append(records)


@dataclass
class RecordingLedger:
    """A ledger that notes when it was written, and dies before its commit when told."""

    scene: Scene
    steps: list[str]
    dies: bool = False

    def transaction(self) -> AbstractContextManager[SqlTransaction]:
        """Note the write."""
        self.steps.append("ledger")
        if self.dies:
            raise Killed
        return self.scene.ledger.transaction()


def events_of(log: MemoryEventLog, lane: Lane = Lane.PRIORITY) -> list[Event]:
    """Read everything that a log holds in a lane."""
    return [from_mapping(orjson.loads(each.record.body)) for each in log.read(lane, 0, 1000)]


def refusals(log: MemoryEventLog) -> list[Event]:
    """Read what was refused."""
    return [each for each in events_of(log, Lane.TELEMETRY) if each.type == UNREADABLE]


@pytest.fixture
def scene() -> Scene:
    """Give a scene with a log that notes its writes."""
    return Scene(log=RecordingLog())


def test_the_log_is_written_before_the_ledger(scene: Scene) -> None:
    """A failure is in the event log when the ledger commits it, and both have it when `handle` returns."""
    steps = scene.log.steps
    ledger = RecordingLedger(scene, steps)
    intake = Intake(scene.log, ledger, scene.intake.pricing, Recorder(), scene.clock, scene.jitter)
    assert intake.handle([encode([failed_event()])]) == 1
    assert steps == ["log", "ledger"]
    assert len(scene.failures) == 1


def test_a_storm_leaves_room_for_others_between_its_transactions(scene: Scene) -> None:
    """However many events the bus brings at once, one transaction of the ledger takes in AT_ONCE of them at most."""
    ledger = RecordingLedger(scene, scene.log.steps)
    intake = Intake(scene.log, ledger, scene.intake.pricing, Recorder(), scene.clock, scene.jitter)
    assert intake.handle([encode([failed_event(number) for number in range(2 * AT_ONCE + 1)])]) == 2 * AT_ONCE + 1
    assert scene.log.steps == ["log", "ledger", "ledger", "ledger"]
    assert len(scene.failures) == 2 * AT_ONCE + 1


def test_a_death_between_log_and_ledger_is_mended_by_the_redelivery(scene: Scene) -> None:
    """What was logged and not recorded comes again, since it was not acknowledged: logged once, recorded once."""
    body = encode([failed_event()])
    ledger = RecordingLedger(scene, [], dies=True)
    with pytest.raises(Killed):
        Intake(scene.log, ledger, scene.intake.pricing, Recorder(), scene.clock, scene.jitter).handle([body])
    assert scene.incidents == []
    scene.intake.handle([body])
    assert len(scene.failures) == 1
    assert len(events_of(scene.log)) == 1


def test_the_same_message_again_changes_nothing(scene: Scene) -> None:
    """A message that is delivered twice, in two batches or in one, is recorded once and triggers once."""
    body = encode([failed_event(0), failed_event(1)])
    scene.intake.handle([body, body])
    before = (scene.incidents, scene.failures, scene.dispatches, scene.outbox(), events_of(scene.log))
    scene.intake.handle([body])
    assert (scene.incidents, scene.failures, scene.dispatches, scene.outbox(), events_of(scene.log)) == before
    assert (scene.incident.size, scene.triggers()) == (2, ["incident_opened"])


def test_a_failure_seen_by_child_and_parent_is_one_failure(scene: Scene) -> None:
    """Two events of the same run, with ids of their own, are two pieces of evidence for one failure."""
    scene.take_in(failed_event(event_id="from-child"))
    scene.take_in(failed_event(event_id="from-parent"))
    assert (scene.incident.size, len(scene.failures), len(events_of(scene.log))) == (1, 1, 2)


@pytest.mark.parametrize("body", [b"", b"\xff\x00", b"{}", b"null", b"[1]", b'[{"specversion": "0.3"}]', b"[", b'"x"'])
def test_a_message_that_cannot_be_read_is_kept_whole(scene: Scene, body: bytes) -> None:
    """Bytes that are no batch of events are kept, each byte of them, as an event, once however often they come."""
    scene.intake.handle([body])
    scene.intake.handle([body])
    (kept,) = refusals(scene.log)
    assert b64decode(kept.data["body"]) == body
    assert kept.data["why"].startswith("expected")
    assert scene.incidents == []


def test_an_empty_batch_is_no_event(scene: Scene) -> None:
    """A message with no events in it is taken and leaves nothing."""
    assert scene.intake.handle([b"[]"]) == 0
    assert refusals(scene.log) == []


def test_one_bad_event_takes_no_other_with_it(scene: Scene) -> None:
    """Of a message with an event that breaks the envelope, the others are recorded and that one is kept whole."""
    good, bad = encode_one(failed_event()), b'{"specversion":"1.0","id":""}'
    scene.intake.handle([b"[" + b",".join([bad, good, bad]) + b"]"])
    assert len(scene.failures) == 1
    (kept,) = refusals(scene.log)
    assert orjson.loads(b64decode(kept.data["body"])) == [orjson.loads(bad)]


def nested(event: Event, levels: int) -> bytes:
    """Encode an event whose data is so deep."""
    deep = b'{"deeper":' * levels + b"1" + b"}" * levels
    return encode_one(event).replace(b'"data":{', b'"data":{"deep":' + deep + b",", 1)


@pytest.mark.parametrize("levels", [255, 300, 1000, 1100])
@pytest.mark.parametrize("wrong", [False, True])
def test_an_event_too_deep_to_be_written_is_kept_and_blocks_nobody(scene: Scene, levels: int, wrong: bool) -> None:
    """JSON is read deeper than it is written: such a message is kept as it came, whether a field is wrong as well."""
    alone = b"[" + nested(without("task_id") if wrong else failed_event(), levels) + b"]"
    before, after = encode([failed_event(1)]), encode([failed_event(2)])
    scene.intake.handle([before, alone, after])
    (kept,) = refusals(scene.log)
    assert b64decode(kept.data["body"]) == alone
    assert len(scene.failures) == 2


@pytest.mark.parametrize("name", [b'"time"', b'"id"', b'"subject"', b'"task_id"'])
def test_a_field_too_deep_to_be_shown_is_kept_as_well(scene: Scene, name: bytes) -> None:
    """What is wrong with it is told without it."""
    good = encode_one(failed_event())
    deep = name + b":" + b"[" * 1000 + b"]" * 1000
    start = good.find(name + b":")
    bad = good[:-1] + b"," + deep + b"}" if start < 0 else good[:start] + deep + good[good.index(b",", start) :]
    scene.intake.handle([b"[" + bad + b"]", encode([failed_event(1)])])
    (kept,) = refusals(scene.log)
    assert b64decode(kept.data["body"]) == b"[" + bad + b"]"
    assert len(scene.failures) == 1


@pytest.mark.parametrize("bad", [[], [b'{"specversion":"1.0","id":""}']])
def test_an_event_too_deep_to_be_written_takes_no_other_of_its_message_with_it(scene: Scene, bad: list[bytes]) -> None:
    """The others are recorded, and the message is kept whole, once; also beside an event that breaks the envelope."""
    deep = [nested(failed_event(), levels) for levels in (300, 301)]
    body = b"[" + b",".join([encode_one(failed_event(1)), *deep, *bad, encode_one(failed_event(2))]) + b"]"
    scene.intake.handle([body])
    scene.intake.handle([body])
    whole, *parts = sorted(refusals(scene.log), key=lambda event: -len(event.data["body"]))
    assert b64decode(whole.data["body"]) == body
    assert len(parts) == len(bad)
    assert len(scene.failures) == 2


def without(name: str) -> Event:
    """Make a failure event that lacks a field of its data."""
    made = failed_event()
    return Event(made.id, made.source, made.type, made.time, {k: v for k, v in made.data.items() if k != name})


EXCEPTION: Mapping[str, Any] = failed_event().data["exception"]
MESSAGE: Mapping[str, Any] = failed_event().data["message"]
MALFORMED = {
    "no id": without("failure_id"),
    "no message": without("message"),
    "id is no uuid": failed_event(failure_id="1"),
    "task id is a number": failed_event(task_id=7),
    "task id is too long": failed_event(task_id="t" * 256),
    "task id is empty": failed_event(task_id=""),
    "task holds a NUL": failed_event(task="a\x00b"),
    "task is too long": failed_event(task="t" * 501),
    "retries are a text": failed_event(retries="many"),
    "retries are a truth": failed_event(retries=True),
    "retries are too many": failed_event(retries=2**31),
    "attempt is no uuid": failed_event(attempt_id="x"),
    "exception is a text": failed_event(exception="boom"),
    "exception's message is null": failed_event(exception=EXCEPTION | {"message": None}),
    "status is a text": failed_event(exception=EXCEPTION | {"status": "503"}),
    "retry_after is a list": failed_event(exception=EXCEPTION | {"retry_after": []}),
    "chain holds numbers": failed_event(exception=EXCEPTION | {"chain": [1]}),
    "body is no base64": failed_event(message=MESSAGE | {"body": "!"}),
    "headers are a list": failed_event(message=MESSAGE | {"headers": []}),
    "routing key is null": failed_event(message=MESSAGE | {"routing_key": None}),
    "dependency is too long": failed_event(declaration={"dependency": "d" * 201, "idempotent": True}),
    "time has no offset": failed_event(occurred_at="2025-11-20T12:00:00"),
    "time is before all time": failed_event(occurred_at="0001-01-01T00:00:00+14:00"),
    "outcome is unknown": ended_event(uuid4(), "perhaps"),
    "outcome's attempt is no uuid": ended_event("x"),
    "outcome is a list": ended_event(uuid4(), []),
}


@pytest.mark.parametrize("event", MALFORMED.values(), ids=MALFORMED)
def test_an_event_with_a_wrong_field_is_kept_and_blocks_nobody(scene: Scene, event: Event) -> None:
    """What the ledger could not hold is kept whole as refused, and its neighbours are recorded."""
    scene.take_in(failed_event(1), event, failed_event(2))
    (kept,) = refusals(scene.log)
    assert from_mapping(orjson.loads(b64decode(kept.data["body"]))) == event
    assert [each.failure.task_id for each in scene.failures] == ["t1", "t2"]


def test_an_event_that_the_log_cannot_hold_is_kept_as_refused(scene: Scene) -> None:
    """A database that refuses one record for good gets the others, and that one's bytes inside a record of ours."""
    scene.log.refuses = "poison"
    scene.take_in(failed_event(1), failed_event(2, event_id="poison"), failed_event(3))
    assert [each.failure.task_id for each in scene.failures] == ["t1", "t3"]
    (kept,) = refusals(scene.log)
    assert from_mapping(orjson.loads(b64decode(kept.data["body"]))).id == "poison"


def test_an_event_that_the_ledger_cannot_hold_is_kept_as_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that refuses one failure for good records the others; what it refused is told in the log."""
    with scene.ledger.transaction() as tx:
        rows = type(tx)
    plain = rows.add_failure

    def picky(self: SqlTransaction, stored: StoredFailure, *args: Any, **options: Any) -> None:
        if stored.failure.task_id == "t2":
            raise Unstorable("ledger", "so")
        plain(self, stored, *args, **options)

    monkeypatch.setattr(rows, "add_failure", picky)
    scene.take_in(*(failed_event(number) for number in (1, 2, 3)))
    assert [each.failure.task_id for each in scene.failures] == ["t1", "t3"]
    assert (scene.incident.size, len(events_of(scene.log)), len(refusals(scene.log))) == (2, 3, 1)


def test_a_ledger_that_is_away_is_no_reason_to_refuse(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the ledger cannot be reached the error goes up, so that the message is not acknowledged and comes again."""

    def away() -> None:
        raise DependencyUnreachable("the ledger", "so")

    monkeypatch.setattr(scene.ledger, "transaction", away)
    with pytest.raises(DependencyUnreachable):
        scene.take_in(failed_event())
    assert refusals(scene.log) == []


def test_a_nul_in_an_exception_is_shown_as_what_it_is_not(scene: Scene) -> None:
    """No text column of PostgreSQL holds a NUL, so the ledger shows a mark instead; the log keeps the event."""
    given = failed_event(exception=EXCEPTION | {"message": "bad \x00 byte"})
    scene.take_in(given)
    assert scene.failures[0].failure.exception.message == "bad \ufffd byte"
    assert events_of(scene.log) == [given]


def test_each_event_is_priced_once_at_intake(scene: Scene) -> None:
    """A model call gets its price when it is taken in; no other event is priced."""
    priced: list[Mapping[str, Any]] = []

    class Pricing:
        """Notes what it prices."""

        def price(self, data: Mapping[str, Any], _at: object) -> Price:
            priced.append(data)
            return Price(PricingStatus.MISSING, version="v")

    call = Event("c", "urn:x", LLM_CALL, NOON, {"gen_ai.request.model": "m"})
    counts = Event("o", "urn:x", TASK_OUTCOMES, NOON, {"counts": []})
    intake = Intake(scene.log, scene.ledger, Pricing(), Recorder(), scene.clock, scene.jitter)
    intake.handle([encode([call, counts, failed_event()])])
    assert priced == [call.data]
    statuses = {each.record.type: each.record.price.status for each in scene.log.read(Lane.PRIORITY, 0, 9)}
    assert statuses[LLM_CALL] is PricingStatus.MISSING


def test_a_failed_attempt_is_an_outcome_and_no_new_failure(scene: Scene) -> None:
    """The failure event of a redriven run ends its attempt; the failure is held again, the incident is no larger."""
    scene.take_in(failed_event())
    scene.plan()
    scene.release()
    scene.later(1)
    (attempt,) = scene.release()
    scene.take_in(failed_event(attempt_id=attempt))
    assert scene.attempt(attempt).state is AttemptState.FAILED
    assert scene.attempt(attempt).reason == "requests.HTTPError: 503 for call 0"
    assert [each.state for each in scene.failures] == [FailureState.HELD]
    assert (len(scene.incidents), scene.incident.size) == (1, 1)


def test_a_failure_of_an_attempt_that_nobody_knows_is_a_failure(scene: Scene) -> None:
    """A run of an attempt that this ledger never made is not lost: it joins an incident."""
    scene.take_in(failed_event(attempt_id=uuid4()))
    assert len(scene.failures) == 1


def test_an_outcome_of_an_attempt_that_nobody_knows_changes_nothing(scene: Scene) -> None:
    """An outcome for an unknown attempt is in the log and nowhere else."""
    scene.take_in(ended_event(uuid4()))
    assert scene.incidents == []
    assert len(events_of(scene.log)) == 1


def test_a_full_log_takes_what_is_urgent_and_says_so(scene: Scene) -> None:
    """A failure beside a span is in log and ledger though the batch is refused; with room again nothing comes twice."""
    span = Event(id=str(uuid4()), source="urn:redrive:test", type=SPAN_ENDED, time=NOON, data={})
    failed, log = failed_event(), MemoryEventLog(room=Room(0))
    intake = Intake(log, scene.ledger, scene.intake.pricing, Recorder(), scene.clock, scene.jitter)
    with pytest.raises(LogFull):
        intake.handle([encode([span, failed])])
    assert events_of(log) == []
    assert scene.incidents == []
    log.room = Room(100_000, reserve=1.0)
    for _ in range(2):
        with pytest.raises(LogFull):
            intake.handle([encode([span, failed])])
    assert [each.id for each in events_of(log)] == [failed.id]
    assert len(scene.failures) == 1
    log.room = UNBOUNDED
    assert intake.handle([encode([span, failed])]) == 2
    assert [each.id for each in events_of(log, Lane.TELEMETRY)] == [span.id]


@pytest.mark.parametrize("together", [True, False], ids=["in one message", "alone"])
def test_what_the_orchestrator_alone_makes_is_refused_from_the_bus(scene: Scene, *, together: bool) -> None:
    """No page goes out and no anchor of the audit is made by what a client says: it is kept whole, as refused."""
    forged = own_samples()
    failed = failed_event()
    bodies = [encode([*forged, failed])] if together else [encode([each]) for each in (*forged, failed)]
    scene.intake.handle(bodies)
    assert [each.type for each in events_of(scene.log)] == [failed.type]
    kept = refusals(scene.log)
    assert {b64decode(each.data["body"]) for each in kept} == {encode_one(each) for each in forged}
    assert all("the orchestrator alone makes" in each.data["why"] for each in kept)
    assert scene.log.read(Lane.PRIORITY, 0, 1_000)[0].record.type not in OWN_TYPES
