"""Guarantee 2 over everything that can happen to events: the sum adds up at each step, in memory and on SQLite."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventbus.wire import LLM_CALL, SPAN_ENDED, TASK_FAILED, TASK_OUTCOMES
from orchestrator.domain.events import Deferred, Delivered, Lane, Passed, Refusal, Rejected
from orchestrator.domain.replays import Discard, Origin, Replay, Selection, Standing
from orchestrator.domain.subscriptions import Subscription
from orchestrator.eventlog.memory import MemoryEventLog
from orchestrator.eventlog.replays import SqlReplays
from orchestrator.eventlog.replays_memory import MemoryReplays
from orchestrator.eventlog.schema import migrate
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.eventlog.upkeep import LogKeep
from orchestrator.flows.replaying import Replayer
from tests.events import NOON, event, record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from orchestrator.domain.events import Delivery, StoredEvent
    from orchestrator.domain.ports import EventLog
    from orchestrator.domain.replays import Replays

KINDS = (LLM_CALL, TASK_FAILED, TASK_OUTCOMES, SPAN_ENDED)
SINKS = ("warehouse", "rudderstack")
LATER = NOON + timedelta(hours=1)
kinds = st.sampled_from(KINDS)
sinks = st.sampled_from(SINKS)
lanes = st.sampled_from(list(Lane))
# Which of a batch are refused, by their place in it.
refusals = st.sets(st.integers(0, 2), max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(kinds, max_size=6)),
    st.tuples(st.just("subscribe"), sinks, st.sets(kinds)),
    st.tuples(st.just("forward"), sinks, lanes, st.integers(1, 5), refusals, st.sets(st.integers(0, 4), max_size=2)),
    st.tuples(st.just("replay"), sinks, st.booleans(), st.booleans()),
    st.tuples(st.just("gap"), sinks, refusals),
    st.tuples(st.just("send"), sinks, refusals, st.booleans()),
    st.tuples(st.just("discard"), sinks),
    st.tuples(st.just("upkeep"), st.booleans()),
)


class Scripted:
    """A sink and its circuit that refuse those events whose places they are told, or defer."""

    def __init__(self, name: str, refused: set[int], *, away: bool) -> None:
        self.name, self.types, self.refused, self.away = name, frozenset(KINDS), refused, away

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Answer."""
        if self.away:
            return Deferred("away")
        culprits = {each.seq: Refusal("no") for place, each in enumerate(batch) if place in self.refused}
        return Rejected(culprits) if culprits else Delivered()


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


class World:
    """A log, its replays, and every step that can be taken with them."""

    def __init__(self, log: EventLog, replays: Replays) -> None:
        self.log, self.replays = log, replays
        self.accepted, self.dropped = 0, False
        self.moment = NOON
        for sink in SINKS:
            log.subscribe(sink, Subscription(frozenset({LLM_CALL})))
        self.append([LLM_CALL, TASK_FAILED, LLM_CALL, LLM_CALL, LLM_CALL])
        for sink in SINKS:
            self.forward(sink, Lane.PRIORITY, 3, {0}, set())

    def take(self, step: tuple[Any, ...]) -> None:
        """Take a step, then look at the sums of every sink, and at each event."""
        name, *arguments = step
        self.moment += timedelta(seconds=1)
        getattr(self, name)(*arguments)
        seqs = [each.seq for each in self.replays.events(Selection(), 1000)]
        for sink in SINKS:
            counts = self.log.counts(sink)
            assert counts.adds_up, (step, counts)
            assert counts.accepted == self.accepted, (step, counts)
            if self.dropped:
                continue  # rows that were dropped are in the sums, and in no list
            stands = Counter(self.replays.standings(sink, seqs).values())
            assert {each: stands[each] for each in Standing} == {each: getattr(counts, each) for each in Standing}
            letters = self.replays.letters(Selection(sink=sink), 1000)
            assert len(letters) == counts.dead

    def append(self, wanted: list[str]) -> None:
        """Accept events."""
        self.log.append([record(event(kind)) for kind in wanted])
        self.accepted += len(wanted)

    def subscribe(self, sink: str, wanted: set[str]) -> None:
        """Change what a sink takes."""
        for lane in Lane:
            self.log.resubscribe(sink, lane, Subscription(frozenset(wanted)), epoch=1)

    def forward(self, sink: str, lane: Lane, number: int, refused: set[int], left_out: set[int]) -> None:
        """Move a cursor over a few events, as a relay does: of those it takes, some are sampled out, some refused."""
        batch = self.log.read(lane, self.log.cursor(sink, lane), number)
        stands = self.replays.standings(sink, [each.seq for each in batch])
        taken = [each.seq for each in batch if stands[each.seq] is Standing.PENDING]
        sampled = frozenset(seq for place, seq in enumerate(taken) if place in left_out)
        culprits = {seq: Refusal("no") for place, seq in enumerate(taken) if place in refused and seq not in sampled}
        if batch:
            self.log.advance(sink, lane, batch[-1].seq, epoch=1, passed=Passed(NOON, culprits, sampled))

    def replay(self, sink: str, dead: bool, patched: bool) -> None:
        """Ask for a replay."""
        patch = {"data": {"user_id": "u"}} if patched else None
        asked = Replay(uuid4(), "ada", "mended", self.moment, Selection(dead=dead, sink=sink), patch)
        self.replays.begin(asked, SINKS)

    def gap(self, sink: str, places: set[int]) -> None:
        """Let the reconciler find some of the delivered events missing."""
        seqs = [each.seq for each in self.replays.events(Selection(), 1000)]
        delivered = [seq for seq, each in self.replays.standings(sink, seqs).items() if each is Standing.DELIVERED]
        missing = [seq for place, seq in enumerate(sorted(delivered)) if place in places]
        asked = Replay(uuid4(), "reconciler", "missing", self.moment, origin=Origin.RECONCILER)
        self.replays.begin_with(asked, sink, missing)

    def send(self, sink: str, refused: set[int], away: bool) -> None:
        """Let a replayer send a batch."""
        Replayer(self.replays, Scripted(sink, refused, away=away), Open(), lambda: 0.0).run_once(LATER)

    def discard(self, sink: str) -> None:
        """Give up the dead letters of a sink."""
        self.replays.discard(Selection(sink=sink), Discard("ada", "junk", self.moment))

    def upkeep(self, old: bool) -> None:
        """Put into the totals what is done with, and with `old` drop what may go; in memory nothing is dropped."""
        if isinstance(self.log, SqlEventLog):
            keep = LogKeep(timedelta(hours=-1 if old else 1), timedelta(days=1))
            self.log.upkeep(keep).run_once()
            self.dropped = self.dropped or old


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(STEPS, min_size=5, max_size=30))
def test_the_sum_adds_up_at_each_step_in_memory(steps: list[tuple[Any, ...]]) -> None:
    """Whatever is appended, subscribed, refused, sampled out, replayed, found missing and discarded, in any order."""
    log = MemoryEventLog(lambda: NOON)
    world = World(log, MemoryReplays(log))
    for step in steps:
        world.take(step)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database with the log's tables, to be copied."""
    path = tmp_path_factory.mktemp("log") / "empty.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=5, max_size=15))
def test_the_sum_adds_up_at_each_step_on_sqlite(migrated: Path, tmp_path: Path, steps: list[tuple[Any, ...]]) -> None:
    """The same on SQLite, where each count is counted from rows of its own."""
    path = tmp_path / f"{uuid4()}.sqlite"
    shutil.copy(migrated, path)
    url = f"sqlite:///{path}"
    with closing(SqlEventLog(url, lambda: NOON)) as log, closing(SqlReplays(url)) as replays:
        world = World(log, replays)
        for step in steps:
            world.take(step)
