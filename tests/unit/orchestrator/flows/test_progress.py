"""Progress of recoveries over random histories: it adds up at every moment, and no failure is counted twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from orchestrator.domain.commands import CommandKind
from orchestrator.domain.errors import Conflict
from orchestrator.domain.failures import FailureState
from orchestrator.domain.plan import Gate
from orchestrator.domain.recoveries import ItemOutcome, Progress
from orchestrator.domain.selection import Selection
from orchestrator.domain.standing import moved
from orchestrator.flows.bulk.asking import RetryRequest
from orchestrator.flows.bulk.commanding import command_retry
from orchestrator.flows.bulk.steering import Steering, steer
from orchestrator.ledger.recovering_schema import recovery_items
from tests.recovery import RETRY, failed_event, redelivered_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TASKS = 6
OVER = frozenset({FailureState.RECOVERED, FailureState.DISCARDED, FailureState.DEAD})
STEPS = (
    "ask", "limit", "release", "release", "well", "well", "badly", "lost", "pause", "resume", "abort", "discard",
    "again", "redelivered", "wait", "plan",
)  # fmt: skip


@dataclass
class History:
    """A few failures of two incidents, and all that can happen to them and to recoveries of them."""

    scene: Scene = field(default_factory=Scene)
    out: list[UUID] = field(default_factory=list)
    recoveries: list[UUID] = field(default_factory=list)
    events: Iterable[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        """Let the tasks fail, for two dependencies."""
        for number in range(TASKS):
            declaration = {"dependency": f"d{number % 2}", "idempotent": number % 3 != 0}
            self.scene.take_in(failed_event(number, declaration=declaration))

    def step(self, name: str, which: int) -> None:
        """Do one thing, to one of those that it can be done to."""
        doing: Callable[[int], None] = getattr(self, name)
        doing(which)

    def ask(self, which: int, limit: int | None = None) -> None:
        """A person asks for all, or those of one dependency."""
        selection = Selection(dependency=f"d{which % 3}") if which % 3 < 2 else Selection(task="*")
        gate = Gate(first_after=1, max_tries=2)
        request = RetryRequest("ann", "now", selection=selection, gate=gate, limit=limit)
        with self.scene.ledger.transaction() as tx:
            try:
                self.recoveries.append(command_retry(tx, request, uuid4(), self.scene.now).id)
            except Conflict:
                tx.put()

    def limit(self, which: int) -> None:
        """A person asks for some."""
        self.ask(which, 1 + which % 3)

    def release(self, _which: int) -> None:
        """The releases go a step."""
        self.out += self.scene.release()

    def well(self, which: int) -> None:
        """A redrive ends well."""
        if self.out:
            self.scene.answer([self.out.pop(which % len(self.out))])

    def badly(self, which: int) -> None:
        """A redrive ends badly."""
        if self.out:
            self.scene.answer([self.out.pop(which % len(self.out))], "failed")

    def lost(self, which: int) -> None:
        """Of a redrive nothing is heard in time; what comes late comes all the same."""
        if self.out:
            attempt = self.out[which % len(self.out)]
            self.scene.later(1_000)
            self.scene.reconciler.run_once()
            assert self.scene.attempt(attempt)

    def _steer(self, which: int, kind: CommandKind) -> None:
        if self.recoveries:
            asked = Steering(uuid4(), kind, "ann", "because", self.scene.now)
            with self.scene.ledger.transaction() as tx:
                try:
                    steer(tx, self.recoveries[which % len(self.recoveries)], asked)
                except Conflict:
                    tx.put()

    def pause(self, which: int) -> None:
        """A recovery is to rest."""
        self._steer(which, CommandKind.PAUSE)

    def resume(self, which: int) -> None:
        """A recovery is to go on."""
        self._steer(which, CommandKind.RESUME)

    def abort(self, which: int) -> None:
        """A recovery is to end."""
        self._steer(which, CommandKind.ABORT)

    def discard(self, which: int) -> None:
        """A failure is given up, where it is not on its way."""
        with self.scene.ledger.transaction() as tx:
            stored = tx.failure_of_task(f"t{which % TASKS}")
            if stored and stored.state in (FailureState.HELD, FailureState.DEAD):
                known = tx.failure(stored.failure.id)
                assert known is not None
                tx.save_failure(moved(known, FailureState.DISCARDED, self.scene.now))

    def again(self, which: int) -> None:
        """A task fails again after it was over: its failure is opened again."""
        number = which % TASKS
        began = self.scene.now.isoformat()
        self.scene.later(1)
        declaration = {"dependency": f"d{number % 2}", "idempotent": True}
        event = failed_event(number, declaration=declaration, occurred_at=self.scene.now.isoformat(), started_at=began)
        self.scene.take_in(replace(event, time=self.scene.now))

    def redelivered(self, which: int) -> None:
        """The broker's own delivery of a task's message runs well."""
        seconds = (self.scene.now - failed_event().time).total_seconds()
        self.scene.take_in(redelivered_event(which % TASKS, seconds=seconds))

    def wait(self, which: int) -> None:
        """Time passes."""
        self.scene.later(10 * (1 + which % 40))

    def plan(self, _which: int) -> None:
        """The newest incident gets a plan of its own, where it is open."""
        if not self.scene.incident.closed:
            self.scene.plan(RETRY, execution_id=f"e-{uuid4()}")

    def progresses(self) -> list[Progress]:
        """Give the progress of each recovery."""
        with self.scene.ledger.reading() as tx:
            return [tx.progress(each) for each in self.recoveries]

    def items(self) -> dict[tuple[UUID, UUID], str | None]:
        """Give the outcome that stands for each failure of each recovery."""
        with self.scene.ledger.reading() as tx:
            rows = tx._plain.execute(select(recovery_items)).all()
        return {(row.recovery_id, row.failure_id): row.outcome for row in rows}

    def open_twice(self) -> int:
        """Count failures that more than one recovery believes to have."""
        open_ = select(recovery_items.c.failure_id).where(recovery_items.c.outcome.is_(None))
        twice = open_.group_by(recovery_items.c.failure_id).having(func.count() > 1).subquery()
        with self.scene.ledger.reading() as tx:
            return int(tx._plain.execute(select(func.count()).select_from(twice)).scalar_one())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 119)), min_size=5, max_size=40))
def test_progress_adds_up_and_counts_nothing_twice(steps: list[tuple[str, int]]) -> None:
    """At every moment: all parts come to what was asked, which never changes; what was once told of a failure stays,
    but for a late success; and a failure is one recovery's alone.
    """
    history = History()
    asked: dict[UUID, int] = {}
    told: dict[tuple[UUID, UUID], str | None] = {}
    for name, which in steps:
        history.step(name, which)
        for recovery, progress in zip(history.recoveries, history.progresses(), strict=True):
            parts = {name: getattr(progress, name) for name in Progress.__slots__ if name != "asked"}
            assert sum(parts.values()) == progress.asked
            assert asked.setdefault(recovery, progress.asked) == progress.asked
        now = history.items()
        for key, outcome in told.items():
            assert outcome in (None, now[key]) or now[key] == ItemOutcome.RECOVERED
        told = now
        assert history.open_twice() == 0
        _agrees_with_the_rows(history)


def _agrees_with_the_rows(history: History) -> None:
    """What a recovery still has is claimed by one of its releases, and what it does not have is not."""
    with history.scene.ledger.reading() as tx:
        for recovery in history.recoveries:
            mine = {each.id for each in tx.releases_by(recovery)}
            found = [tx.failure_of_task(f"t{number}") for number in range(TASKS)]
            claimed = [each for each in found if each and each.command_release_id in mine]
            waiting = sum(each.state is FailureState.HELD for each in claimed)
            assert (tx.progress(recovery).waiting, tx.progress(recovery).open) == (waiting, len(claimed))


def test_what_recovers_after_it_was_counted_as_dead_is_counted_as_recovered() -> None:
    """A redrive of which nothing was heard in time, and that ended well after all, is its recovery's success."""
    history = History()
    history.ask(0)
    history.release(0)
    history.lost(0)
    (before,) = history.progresses()
    history.well(0)
    (after,) = history.progresses()
    assert (before.recovered, after.recovered, after.asked) == (0, 1, before.asked)


def test_a_late_success_of_a_task_that_failed_again_takes_nothing_from_its_recovery() -> None:
    """What is known to have failed in a run that began after it is still the recovery's, and waits."""
    history = History()
    history.wait(0)
    history.ask(2)
    history.release(0)
    for which in range(TASKS):
        history.again(which)
    history.lost(0)
    history.well(0)
    (found,) = history.progresses()
    assert (found.waiting + found.in_flight, found.recovered) == (TASKS, 0)
