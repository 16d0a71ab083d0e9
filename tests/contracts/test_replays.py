"""What every store of replays must do, on memory, SQLite and PostgreSQL, beside the log that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson
import pytest

from eventbus.wire import LLM_CALL, TASK_FAILED
from orchestrator.domain.events import Deferred, Delivered, Lane, Passed, Refusal, Rejected
from orchestrator.domain.replays import Cancelled, Discard, ItemState, Origin, Replay, Selection, Standing
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.replays_memory import MemoryReplays
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.flows.replaying import Replayer
from orchestrator.sinks.memory import MemorySink
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from orchestrator.domain.events import Delivery
    from orchestrator.domain.ports import EventLog
    from orchestrator.domain.replays import Replays

SINK = "warehouse"
LATER = NOON + timedelta(minutes=5)


class Open:
    """A circuit that lets everything through."""

    def rest(self) -> float:
        """Go on."""
        return 0.0

    def allowance(self) -> float:
        """Give all."""
        return 1.0

    def deliver(self, send: Callable[[], Delivery]) -> Delivery:
        """Make the delivery."""
        return send()


@dataclass
class Desk:
    """A log of four events, of which `dead` were refused, its replays, and a sink that takes everything."""

    log: EventLog
    replays: Replays
    sink: MemorySink
    seqs: list[int]

    @property
    def sums(self) -> tuple[int, int, int]:
        """Give delivered, pending and dead, and insist that the counts add up."""
        counts = self.log.counts(SINK)
        assert counts.adds_up
        return counts.delivered, counts.pending, counts.dead

    def ask(self, *, patch: dict[str, Any] | None = None, pace: float | None = None, **selected: Any) -> Replay:
        """Begin a replay."""
        replay = Replay(uuid4(), "ada", "mended", NOON, Selection(**selected), patch, pace)
        self.replays.begin(replay, [SINK])
        return replay

    def replayer(self) -> Replayer:
        """Make the loop's flow."""
        return Replayer(self.replays, self.sink, Open(), lambda: 0.0)

    def run(self, *answers: Delivery, now: datetime = LATER) -> None:
        """Send until nothing is left."""
        for answer in answers:
            self.sink.answer_next(answer)
        replayer = self.replayer()
        while self.replays.next_batch(SINK, 1):
            replayer.run_once(now)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Give a log of five events: a failure, then three calls, of which the first two were refused; one call waits."""
    if request.param == "memory":
        memory = MemoryEventLog(lambda: NOON)
        yield begun(memory, MemoryReplays(memory))
        return
    sqlite = f"sqlite:///{tmp_path}/events.sqlite"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    log, replays = SqlEventLog(url, lambda: NOON), SqlReplays(url)
    yield begun(log, replays)
    log.close()
    replays.close()


def begun(log: EventLog, replays: Replays) -> Desk:
    """Fill a log."""
    log.subscribe(SINK, Subscription(frozenset({LLM_CALL})))
    log.append([record(event(kind)) for kind in (TASK_FAILED, LLM_CALL, LLM_CALL, LLM_CALL, LLM_CALL)])
    seqs = [each.seq for each in log.read(Lane.PRIORITY, 0, 10)]
    refusals = {seqs[1]: Refusal("it is NaN", "data.cost"), seqs[2]: Refusal("too large")}
    log.advance(SINK, Lane.PRIORITY, seqs[3], epoch=1, passed=Passed(NOON, refusals, attempts=2))
    return Desk(log, replays, MemorySink(SINK, {LLM_CALL}), seqs)


def key_of(desk: Desk, place: int) -> UUID:
    """Give the key of the event at a place."""
    return desk.replays.events(Selection(), 10)[::-1][place].record.key


def test_a_dead_letter_that_is_delivered_is_dead_no_longer(desk: Desk) -> None:
    """Both go out under their ids and their bytes; dead falls, delivered rises, the sum holds at each step."""
    assert desk.sums == (1, 1, 2)
    assert desk.replays.eligible(Selection(), [SINK]) == {SINK: 2}
    replay = desk.ask()
    assert desk.sums == (1, 1, 2)
    desk.run()
    assert desk.sums == (3, 1, 0)
    before = desk.log.read(Lane.PRIORITY, 0, 10)
    assert [each.record for each in desk.sink.events] == [before[1].record, before[2].record]
    assert desk.replays.progress(replay.id) == {SINK: {ItemState.DELIVERED: 2}}
    ended = desk.replays.replay(replay.id)
    assert ended is not None
    assert ended.ended_at == LATER


def test_one_that_is_refused_again_stays_with_its_new_reason(desk: Desk) -> None:
    """Its attempts go on counting, its new reason and field stand in the list; the other one is gone from it."""
    desk.ask()
    desk.run(Rejected({desk.seqs[1]: Refusal("it is still NaN", "data.usd")}))
    assert desk.sums == (2, 1, 1)
    (letter,) = desk.replays.letters(Selection(), 10)
    assert (letter.dead.refusal, letter.dead.attempts, letter.dead.at) == (
        Refusal("it is still NaN", "data.usd"),
        3,
        LATER,
    )
    (item,) = desk.replays.items_of(desk.seqs[1])
    assert (item.state, item.refusal, item.at) == (ItemState.REFUSED, Refusal("it is still NaN", "data.usd"), LATER)


def test_a_patch_changes_what_is_sent_and_not_what_is_kept(desk: Desk) -> None:
    """The sink gets the merged event under its id and key; the log has the bytes that were accepted."""
    kept = desk.log.read(Lane.PRIORITY, 0, 10)[1]
    desk.ask(patch={"data": {"user_id": "u-1", "error": None}}, keys=frozenset({kept.record.key}))
    desk.run()
    (sent,) = desk.sink.events
    told = orjson.loads(sent.record.body)
    was = orjson.loads(kept.record.body)
    del was["data"]["error"]
    assert told == was | {"data": was["data"] | {"user_id": "u-1"}}
    assert (sent.record.id, sent.record.key) == (kept.record.id, kept.record.key)
    assert desk.log.read(Lane.PRIORITY, 0, 10)[1] == kept
    assert desk.sums == (2, 1, 1)


def test_what_was_taken_patched_goes_patched_again(desk: Desk) -> None:
    """A gap is filled with what the sink has taken, not with what it has refused."""
    desk.ask(patch={"data": {"user_id": "u-1"}}, keys=frozenset({key_of(desk, 1)}))
    desk.run()
    gap = Replay(uuid4(), "reconciler", "missing", LATER, origin=Origin.RECONCILER)
    assert desk.replays.begin_with(gap, SINK, [desk.seqs[1]]) == 1
    desk.run()
    assert len(desk.sink.events) == 2
    assert desk.sink.events[0] == desk.sink.events[1]


def test_what_waits_in_a_replay_is_not_asked_for_twice(desk: Desk) -> None:
    """A second replay of the same events has none, and neither discards nor the reconciler take them."""
    desk.ask()
    assert desk.replays.eligible(Selection(), [SINK]) == {}
    other = desk.ask()
    assert desk.replays.progress(other.id) == {}
    ended = desk.replays.replay(other.id)
    assert ended is not None
    assert ended.ended_at is not None
    assert desk.replays.discard(Selection(), Discard("ada", "junk", NOON)) == 0
    gap = Replay(uuid4(), "reconciler", "missing", NOON, origin=Origin.RECONCILER)
    assert desk.replays.begin_with(gap, SINK, desk.seqs[:3]) == 1


def test_a_replay_that_is_kept_twice_is_one(desk: Desk) -> None:
    """The same request again, after an answer that was lost, begins nothing."""
    replay = desk.ask()
    desk.run()
    desk.replays.begin(replay, [SINK])
    assert desk.replays.progress(replay.id) == {SINK: {ItemState.DELIVERED: 2}}
    assert len(desk.replays.replays(10)) == 1


def test_what_was_delivered_can_be_sent_again(desk: Desk) -> None:
    """It stays delivered whatever the answer is: the sink has had it; what waits its turn is not sent ahead of it."""
    assert desk.replays.eligible(Selection(dead=False), [SINK]) == {SINK: 1}
    desk.ask(dead=False)
    desk.run(Rejected({desk.seqs[3]: Refusal("no more")}))
    assert desk.sums == (1, 1, 2)
    desk.ask(dead=False)
    desk.run()
    assert [each.seq for each in desk.sink.events] == [desk.seqs[3]]
    assert desk.sums == (1, 1, 2)


def test_a_gap_that_is_refused_is_a_dead_letter(desk: Desk) -> None:
    """What the reconciler found missing, and the sink does not take, is dead and no longer counted as delivered."""
    gap = Replay(uuid4(), "reconciler", "missing", NOON, origin=Origin.RECONCILER)
    desk.replays.begin_with(gap, SINK, [desk.seqs[3]])
    desk.run(Rejected({desk.seqs[3]: Refusal("no")}))
    assert desk.sums == (0, 1, 3)


def test_a_discarded_dead_letter_stays_dead(desk: Desk) -> None:
    """It is listed with who gave it up and why, is counted as dead, and no replay takes it."""
    given_up = Discard("ada", "a test of the provider", LATER)
    assert desk.replays.discard(Selection(keys=frozenset({key_of(desk, 1)})), given_up) == 1
    assert desk.replays.discard(Selection(keys=frozenset({key_of(desk, 1)})), given_up) == 0
    assert desk.sums == (1, 1, 2)
    assert {each.dead.event.seq: each.discarded for each in desk.replays.letters(Selection(), 10)} == {
        desk.seqs[1]: given_up,
        desk.seqs[2]: None,
    }
    assert desk.replays.eligible(Selection(), [SINK]) == {SINK: 1}


def test_lists_are_paged_newest_first(desk: Desk) -> None:
    """Each page begins behind the last entry of the one before; a selection narrows both lists."""
    first = desk.replays.events(Selection(), 2)
    rest = desk.replays.events(Selection(), 10, before=first[-1].seq)
    assert [each.seq for each in first + rest] == desk.seqs[::-1]
    (letter,) = desk.replays.letters(Selection(), 1)
    (other,) = desk.replays.letters(Selection(), 10, before=(letter.dead.event.seq, letter.sink))
    assert [letter.dead.event.seq, other.dead.event.seq] == [desk.seqs[2], desk.seqs[1]]
    assert [each.seq for each in desk.replays.events(Selection(type=TASK_FAILED), 10)] == [desk.seqs[0]]
    assert desk.replays.events(Selection(until=NOON), 10) == []
    assert len(desk.replays.events(Selection(since=NOON, until=LATER), 10)) == 5
    assert desk.replays.letters(Selection(sink="rudderstack"), 10) == []


def test_each_event_stands_in_one_part_of_the_sum(desk: Desk) -> None:
    """Filtered, dead, delivered, pending: as the counts say; the oldest that waits is told by its acceptance."""
    stands = [desk.replays.standings(SINK, desk.seqs)[each] for each in desk.seqs]
    assert stands == [Standing.FILTERED, Standing.DEAD, Standing.DEAD, Standing.DELIVERED, Standing.PENDING]
    assert desk.replays.oldest_pending(SINK) == NOON
    desk.log.advance(SINK, Lane.PRIORITY, desk.seqs[4], epoch=1, passed=Passed(NOON))
    assert desk.replays.oldest_pending(SINK) is None


def test_a_deferred_batch_waits_and_goes_again(desk: Desk) -> None:
    """Nothing is noted while the sink is away, and it is left alone for as long as it asked."""
    desk.ask()
    desk.sink.answer_next(Deferred("away", 60.0))
    replayer = desk.replayer()
    assert replayer.run_once(LATER) == 60.0
    assert (desk.sums, replayer.last_error) == ((1, 1, 2), "away")
    assert replayer.run_once(LATER + timedelta(seconds=20)) == 40.0
    assert desk.sink.events == []
    assert replayer.run_once(LATER + timedelta(seconds=61)) is None
    assert (desk.sums, replayer.last_error) == ((3, 1, 0), None)


def test_a_replay_keeps_its_pace(desk: Desk) -> None:
    """With one event in two seconds, the second one goes two seconds after the first."""
    desk.ask(pace=0.5)
    replayer = desk.replayer()
    assert replayer.run_once(LATER) == 2.0
    assert replayer.run_once(LATER + timedelta(seconds=1)) == 1.0
    assert len(desk.sink.events) == 1
    replayer.run_once(LATER + timedelta(seconds=2))
    assert len(desk.sink.events) == 2


def test_a_clock_that_is_put_back_holds_no_replay_up(desk: Desk) -> None:
    """A pause ends when the clock shows a time before it began: after an hour put back nothing waits an hour."""
    desk.ask(pace=0.5)
    replayer = desk.replayer()
    replayer.run_once(LATER)
    assert replayer.run_once(LATER - timedelta(hours=1)) == 2.0
    assert len(desk.sink.events) == 2


def test_replays_go_one_after_the_other(desk: Desk) -> None:
    """The older one first; a sink that neither names gets none."""
    desk.ask(keys=frozenset({key_of(desk, 2)}))
    younger = Replay(uuid4(), "ada", "mended", LATER)
    desk.replays.begin(younger, [SINK, "rudderstack"])
    assert desk.replays.next_batch("rudderstack", 10) is None
    first = desk.replays.next_batch(SINK, 10)
    assert first is not None
    assert [each.seq for each in first.events] == [desk.seqs[2]]
    desk.run(Delivered())
    assert [each.seq for each in desk.sink.events] == [desk.seqs[2], desk.seqs[1]]


def test_an_answer_that_comes_late_changes_nothing(desk: Desk) -> None:
    """Two processes may send the same batch; what the first has noted stands."""
    replay = desk.ask()
    desk.replays.settle(replay, SINK, [desk.seqs[1]], {}, LATER)
    desk.replays.settle(replay, SINK, [], {desk.seqs[1]: Refusal("late")}, LATER)
    assert desk.sums == (2, 1, 1)
    assert [each.state for each in desk.replays.items_of(desk.seqs[1])] == [ItemState.DELIVERED]


def test_a_cancelled_replay_sends_nothing_more(desk: Desk) -> None:
    """What has gone stays delivered, the rest stays dead and may be sent again; it says by whose word."""
    replay = desk.ask(pace=1.0)
    desk.replayer().run_once(LATER)
    stopped = Cancelled("ada", "the wrong day")
    assert desk.replays.cancel(replay.id, stopped, LATER) == 1
    assert desk.replays.next_batch(SINK, 10) is None
    assert (len(desk.sink.events), desk.sums) == (1, (2, 1, 1))
    assert desk.replays.progress(replay.id) == {SINK: {ItemState.DELIVERED: 1, ItemState.CANCELLED: 1}}
    kept = desk.replays.replay(replay.id)
    assert kept is not None
    assert (kept.cancelled, kept.ended_at) == (stopped, LATER)
    assert desk.replays.replays(1) == [kept]
    assert desk.replays.cancel(replay.id, Cancelled("eve", "again"), NOON) == 0
    assert desk.replays.replay(replay.id) == kept
    assert desk.replays.eligible(Selection(), [SINK]) == {SINK: 1}
    desk.ask()
    desk.run()
    assert desk.sums == (3, 1, 0)


def test_what_was_under_way_when_its_replay_was_cancelled_is_noted(desk: Desk) -> None:
    """The sink has it, or has refused it: that is what counts, whatever was said meanwhile."""
    replay = desk.ask()
    desk.replays.cancel(replay.id, Cancelled("ada", "stop"), LATER)
    desk.replays.settle(replay, SINK, [desk.seqs[1]], {desk.seqs[2]: Refusal("still too large")}, LATER)
    assert desk.sums == (2, 1, 1)
    assert [desk.replays.items_of(seq)[0].state for seq in desk.seqs[1:3]] == [ItemState.DELIVERED, ItemState.REFUSED]
    (letter,) = desk.replays.letters(Selection(), 10)
    assert (letter.dead.refusal, letter.dead.attempts) == (Refusal("still too large"), 3)


def test_a_replay_that_has_ended_is_not_cancelled(desk: Desk) -> None:
    """Nothing is left of it to stop; one that is not there has nothing either."""
    replay = desk.ask()
    desk.run()
    assert desk.replays.cancel(replay.id, Cancelled("ada", "late"), LATER) == 0
    assert desk.replays.cancel(uuid4(), Cancelled("ada", "late"), LATER) == 0
    kept = desk.replays.replay(replay.id)
    assert kept is not None
    assert kept.cancelled is None


def test_what_was_settled_before_a_deferral_is_noted(desk: Desk) -> None:
    """Of a batch that went in part, that part is delivered or refused; the rest goes again."""
    desk.ask()
    desk.sink.answer_next(Deferred("away", 1.0, upto=desk.seqs[1], refusals={desk.seqs[1]: Refusal("no")}))
    desk.replayer().run_once(LATER)
    assert [each.state for each in desk.replays.items_of(desk.seqs[1])] == [ItemState.REFUSED]
    assert [each.state for each in desk.replays.items_of(desk.seqs[2])] == [ItemState.WAITING]
    assert desk.sums == (1, 1, 2)
