"""Orphans: what only the result backend knows becomes a failure once, and never by mistake."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.bus.results import BlindResults, MemoryResults
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.failures import FailureState, Kind, Way
from orchestrator.domain.results import StoredTask
from orchestrator.flows.orphans import Orphans
from orchestrator.flows.redeliveries import Redeliveries
from orchestrator.flows.witnesses import Looked, Times
from orchestrator.flows.workers import all_workers, beat_of, note_reading, note_worker
from tests.recovery import failed_event, seen_event
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.domain.results import ResultPage
    from orchestrator.domain.standing import StoredFailure

TIMES = Times(orphan_grace=60, redelivery_grace=600, worker_slack=30)
RUNS = StoredTask("t0", "STARTED", "celery@a", 11, task="app.call")
STEP = 15
ROUND = 30


@dataclass
class Field:
    """A scene with a worker, a result backend, and the search between them."""

    scene: Scene = field(default_factory=Scene)
    results: MemoryResults = field(default_factory=MemoryResults)
    beating: bool = True
    reading: bool = True
    beat: dict[str, Any] = field(default_factory=dict)
    boot: int = 1
    _search: Orphans | None = None
    _redeliveries: Redeliveries | None = None

    @property
    def search(self) -> Orphans:
        """The search, one for the whole test."""
        if self._search is None:
            intake = self.scene.intake
            self._search = Orphans(self.scene.ledger, self.results, intake.handle, self.scene.clock, TIMES, page=2)
        return self._search

    @property
    def redeliveries(self) -> Redeliveries:
        """What settles redeliveries, one for the whole test."""
        if self._redeliveries is None:
            self._redeliveries = Redeliveries(self.scene.ledger, self.results, self.scene.clock, TIMES, page=2)
        return self._redeliveries

    def settle(self) -> None:
        """Go once over all redeliveries that are due."""
        while not self.redeliveries.run_once().over:
            pass

    def live(self, seconds: float, *, looking: bool = True) -> None:
        """Let time pass: the worker beats and the bus is read, where they are meant to; each round is looked at."""
        for passed in range(0, int(seconds), STEP):
            self.scene.later(STEP)
            with self.scene.ledger.transaction() as tx:
                if self.beating:
                    beat = seen_event(self.scene.now, boot=self.boot, every_seconds=STEP, **self.beat)
                    note_worker(tx, beat_of(beat), self.scene.now)
                if self.reading:
                    note_reading(tx, self.scene.now)
            if looking and passed % ROUND == 0:
                self.look()

    def look(self) -> Looked:
        """Go once over the redeliveries that are due, and over the whole backend."""
        self.settle()
        while not (looked := self.search.run_once()).over:
            pass
        return looked

    @property
    def failures(self) -> list[StoredFailure]:
        """All failures."""
        with self.scene.ledger.transaction() as tx:
            return [each for incident in tx.incidents([], 100, None) for each in tx.failures_of(incident.id, 100)]

    @property
    def only(self) -> StoredFailure:
        """The one failure that there is."""
        (found,) = self.failures
        return found


@dataclass
class Ending:
    """A backend in which the task ends right after it was shown."""

    inner: MemoryResults
    blind: str | None = None

    def unfinished(self, limit: int, cursor: str | None = None) -> ResultPage:
        """Show the task, and let it end."""
        page = self.inner.unfinished(limit, cursor)
        self.inner.put(StoredTask("t0", "SUCCESS"))
        return page

    def state_of(self, task_ids: Sequence[str]) -> Mapping[str, StoredTask]:
        """Show the states as they are then."""
        return self.inner.state_of(task_ids)


@pytest.fixture
def world() -> Field:
    """A worker that has been heard for a minute, and runs a task."""
    made = Field()
    made.live(60)
    made.results.put(RUNS)
    return made


def test_a_long_task_on_a_living_worker_is_never_an_orphan(world: Field) -> None:
    """However long a task takes, as long as its worker beats and has its process there is no failure."""
    world.live(1200)
    assert world.failures == []


def test_a_task_whose_worker_is_gone_is_one_failure(world: Field) -> None:
    """A worker that is not heard any more leaves exactly one failure, orphaned, dead for want of its message."""
    world.live(60)
    world.beating = False
    world.live(900)
    found = world.only
    assert (found.failure.task_id, found.failure.captured, found.kind) == ("t0", Way.ORPHANED, Kind.WORKER_LOST)
    assert (found.state, found.failure.message.missing, found.reports) == (FailureState.DEAD, True, 1)
    assert "send the task again yourself" in (found.reason or "")
    assert "its worker is not heard any more" in found.failure.exception.message


def test_nothing_is_an_orphan_before_its_grace_is_over(world: Field) -> None:
    """Beyond the silence that makes a worker gone, the whole grace has to pass."""
    world.beating = False
    world.live(75 + 55)
    assert world.failures == []


def test_the_journal_brings_the_message_of_an_orphan(world: Field) -> None:
    """An orphan whose message comes later is the same failure, held, and known for what it is."""
    world.beating = False
    world.live(600)
    world.scene.take_in(failed_event(0, captured="worker_killed"))
    found = world.only
    assert (found.state, found.failure.captured, found.reports) == (FailureState.HELD, Way.WORKER_KILLED, 2)


@pytest.mark.parametrize(("outcome", "state"), [("SUCCESS", "recovered"), ("FAILURE", "dead"), ("STARTED", "dead")])
def test_an_orphan_that_ends_by_itself_is_closed(world: Field, outcome: str, state: str) -> None:
    """SUCCESS in the backend closes the failure, with the reason; a failing run is told by the worker that had it."""
    world.beating = False
    world.live(600)
    world.results.put(StoredTask("t0", outcome, "celery@b" if outcome == "STARTED" else None))
    world.live(60)
    assert world.only.state == state
    if state == "recovered":
        assert world.only.reason == "the result backend says that the task succeeded after all"


def test_a_bus_that_is_away_makes_no_worker_look_dead(world: Field) -> None:
    """While nothing can be read from the bus, silence says nothing, nor right after; a worker heard again lives."""
    world.beating = world.reading = False
    world.live(1200)
    world.reading = True
    world.live(30)
    assert world.failures == []
    world.beating = True
    world.live(900)
    assert world.failures == []


def test_a_paused_orchestrator_takes_no_worker_for_dead(world: Field) -> None:
    """An orchestrator that stood still for an hour, and wakes before the workers are heard, sees nothing lost."""
    world.scene.later(3600)
    world.look()
    world.beating = False
    world.live(40)
    world.beating = True
    world.live(600)
    assert world.failures == []


def test_an_outage_hides_no_worker_that_died_in_it(world: Field) -> None:
    """A worker that stays silent once the bus is back is gone."""
    world.beating = world.reading = False
    world.live(600)
    world.reading = True
    world.live(600)
    assert world.only.failure.captured is Way.ORPHANED


def test_a_worker_without_heartbeats_is_unknown(world: Field) -> None:
    """A task on a worker that never sent a heartbeat, without the plugin, is nobody's orphan."""
    world.results.put(replace(RUNS, worker="celery@unknown"))
    world.live(1200)
    assert world.failures == []


def test_a_redelivered_task_is_no_orphan(world: Field) -> None:
    """A task that another worker has taken up in time is not lost, though its first worker is."""
    world.beating = False
    world.live(90)
    world.results.put(replace(RUNS, worker="celery@b", pid=99))
    world.beating, world.boot, world.beat = True, 2, {"worker": "celery@b", "children": [99]}
    world.live(600)
    assert world.failures == []


def test_a_child_that_a_living_worker_has_no_more_leaves_an_orphan(world: Field) -> None:
    """A task whose process is not among the children of its living worker, for a while, is lost."""
    world.beat = {"children": [12, 13]}
    world.live(60)
    assert world.failures == []
    world.live(90)
    assert "process 11, which ran it, does not" in world.only.failure.exception.message


def test_a_restarted_worker_is_not_the_one_that_ran_it(world: Field) -> None:
    """The same name in another boot runs nothing of the boot before, even with the same process ids."""
    world.boot, world.beat = 2, {"in_flight": 0}
    world.live(300)
    assert world.only.failure.captured is Way.ORPHANED


def test_retries_of_celery_are_left_alone(world: Field) -> None:
    """A task in RETRY waits for its time, long if need be, even when the worker that ran it last is gone."""
    world.results.put(StoredTask("t0", "RETRY", "celery@a"))
    world.beating = False
    world.live(1200)
    assert world.failures == []


def test_what_a_cold_shutdown_left_is_an_orphan_once_nobody_delivers_it(world: Field) -> None:
    """A cancelled task becomes a failure after the time that a broker may take to deliver it again."""
    world.results.put(StoredTask("t0", "RETRY", cancelled=True))
    world.live(540)
    assert world.failures == []
    world.live(120)
    assert world.only.failure.captured is Way.ORPHANED


@pytest.mark.parametrize("state", ["held", "recovered"])
def test_a_task_that_failed_already_is_no_orphan(world: Field, state: str) -> None:
    """What has a failure is known, whatever became of it."""
    world.scene.take_in(failed_event(0))
    if state == "recovered":
        with world.scene.ledger.transaction() as tx:
            tx.save_failure(replace(world.only, state=FailureState.RECOVERED))
    world.beating = False
    world.live(600)
    assert (world.only.failure.captured, world.only.state, world.only.reports) == (Way.EXCEPTION, state, 1)


def test_a_backend_that_is_away_decides_nothing(world: Field) -> None:
    """While the backend cannot be read nothing changes; what is lost is found once it is back."""
    world.beating = False
    world.live(60)
    world.results.failing_with = DependencyUnreachable("result backend", "gone")
    with pytest.raises(DependencyUnreachable):
        world.look()
    assert world.failures == []
    world.results.failing_with = None
    world.live(600)
    assert world.only.state == FailureState.DEAD


def test_a_task_that_ends_while_it_is_judged_is_no_orphan(world: Field) -> None:
    """What the backend says last counts: a task that ended between two looks is not reported."""
    world.beating = False
    world.live(120)
    world.live(120, looking=False)
    world.search.results = Ending(world.results)
    world.look()
    assert world.results.tasks["t0"].state == "SUCCESS"
    assert world.failures == []


PENDING = {"captured": "worker_killed", "redelivery": True}


@pytest.mark.parametrize(
    ("task", "state", "says"),
    [
        (StoredTask("t0", "SUCCESS"), "recovered", "succeeded after all"),
        (StoredTask("t0", "FAILURE"), "dead", "the result backend says FAILURE"),
        (None, "dead", "the result backend knows nothing of it"),
        (replace(RUNS, worker="celery@gone"), "dead", "the result backend says STARTED"),
        (RUNS, "redelivery_pending", None),
    ],
    ids=["it ran well", "it failed", "nothing is known", "started by somebody unknown", "it runs on a living worker"],
)
def test_a_redelivery_that_never_comes_is_settled(task: StoredTask | None, state: str, says: str | None) -> None:
    """After its time the backend is asked: recovered, or dead with what to do; a long run goes on being waited for."""
    world = Field()
    world.live(60)
    world.scene.take_in(failed_event(0, **PENDING))
    world.live(540)
    assert world.only.state == FailureState.REDELIVERY_PENDING
    if task:
        world.results.put(task)
    world.live(120)
    assert world.only.state == state
    assert (says or "") in (world.only.reason or "")
    if state == "dead":
        assert "redrive the failure or discard it" in (world.only.reason or "")
    assert world.scene.redriver.published == []


def test_without_a_backend_a_redelivery_is_settled_all_the_same() -> None:
    """Where nobody can be asked, the failure is dead after its time, and says that nobody was asked."""
    world = Field()
    world.scene.take_in(failed_event(0, **PENDING))
    redeliveries = Redeliveries(world.scene.ledger, BlindResults("no backend is set"), world.scene.clock, TIMES)
    world.scene.later(601)
    assert redeliveries.run_once().over
    assert world.only.state is FailureState.DEAD
    assert "could not be asked (no backend is set)" in (world.only.reason or "")


def test_a_backend_that_stays_away_ends_the_wait_too(world: Field) -> None:
    """A backend that does not answer prolongs the wait once, for it may come back; then the failure is dead."""
    world.scene.take_in(failed_event(0, **PENDING))
    world.results.failing_with = DependencyUnreachable("result backend", "gone: hunter2")
    world.scene.later(1190)
    world.settle()
    assert world.only.state is FailureState.REDELIVERY_PENDING
    world.scene.later(20)
    world.settle()
    assert world.only.state is FailureState.DEAD
    assert "could not be asked (it did not answer)" in (world.only.reason or "")


def test_long_runs_stand_in_nobody_s_way(world: Field) -> None:
    """More redeliveries than a page that living workers run, and behind them one that never came: it is settled."""
    for number in range(6):
        world.scene.take_in(failed_event(number, **PENDING))
        world.results.put(replace(RUNS, task_id=f"t{number}"))
        world.live(STEP, looking=False)
    del world.results.tasks["t5"]
    world.live(630)
    states = {each.failure.task_id: str(each.state) for each in world.failures}
    assert states == {f"t{number}": "dead" if number == 5 else "redelivery_pending" for number in range(6)}


def test_boots_of_long_ago_are_forgotten(world: Field) -> None:
    """A worker that restarts for ever leaves one row behind, not one for each boot."""
    world.results.tasks.clear()
    for boot in range(2, 5):
        world.boot = boot
        world.live(300)
    world.scene.later(3600)
    world.live(60)
    with world.scene.ledger.transaction() as tx:
        boots = [each.worker.beat.boot.int for each in all_workers(tx, world.scene.now, 30)]
    assert boots == [4]


def test_load_on_the_backend_is_told(world: Field) -> None:
    """Each step says how much it read, so that the next may wait for it."""
    for number in range(1, 5):
        world.results.put(replace(RUNS, task_id=f"t{number}"))
    looked = world.search.run_once()
    assert (looked.read, looked.over) == (2, False)
