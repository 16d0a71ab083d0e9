"""Who lives, who is gone, and which runs are lost: the decisions, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from orchestrator.domain.results import StoredTask
from orchestrator.domain.workers import (
    Beat,
    BusReading,
    Fate,
    Judgement,
    Worker,
    fate,
    heard,
    is_lost,
    judge,
    judge_retry,
    outdated,
    read_on,
    suspected,
)
from tests.recovery import NOON

if TYPE_CHECKING:
    from datetime import datetime

SLACK = 30.0
ALLOWED = 3 * 5 + SLACK
RUNS = StoredTask("t1", "STARTED", "celery@a", 11)


def at(seconds: float) -> datetime:
    """Tell a time, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def beat(boot: int = 1, sent: float = 0, **changes: Any) -> Beat:
    """Make a heartbeat of a worker with two children, one of which is busy."""
    made = Beat(
        worker="celery@a", boot=UUID(int=boot), host="a", pid=10, stopped=False, children=(11, 12), in_flight=1,
        every_seconds=5, sent_at=at(sent),
    )  # fmt: skip
    return replace(made, **changes)


def worker(boot: int = 1, first: float = -1000, last: float = 0, idle: float | None = None, **changes: Any) -> Worker:
    """Make a worker that was last heard at noon."""
    return Worker(beat(boot, last, **changes), at(first), at(last), None if idle is None else at(idle))


def reading(since: float = -10_000, until: float = 0) -> BusReading:
    """The bus was read without a break."""
    return BusReading(at(since), at(until))


@pytest.mark.parametrize(
    ("seen", "others", "read", "now", "expected"),
    [
        (worker(), [], reading(), 0, Fate.RUNNING),
        (worker(), [], reading(until=ALLOWED), ALLOWED, Fate.RUNNING),
        (worker(), [], reading(until=ALLOWED + 1), ALLOWED + 1, Fate.GONE),
        (worker(every_seconds=60), [], reading(until=ALLOWED + 1), ALLOWED + 1, Fate.RUNNING),
        (worker(stopped=True), [], reading(), 0, Fate.STOPPED),
        (worker(), [worker(2, first=5, last=5)], reading(until=6), 6, Fate.REPLACED),
        (worker(last=8), [worker(2, first=5, last=9)], reading(until=9), 9, Fate.RUNNING),
        (worker(), [], None, 100, Fate.UNSURE),
        (worker(), [], reading(until=10), 100, Fate.UNSURE),
        (worker(), [], reading(since=300, until=310), 310, Fate.UNSURE),
        (worker(), [], reading(since=300, until=300 + ALLOWED + 1), 300 + ALLOWED + 1, Fate.GONE),
        (worker(last=301), [], reading(since=300, until=310), 310, Fate.RUNNING),
        (worker(), [], reading(since=20, until=40), 40, Fate.RUNNING),
    ],
    ids=[
        "heard now", "silent, within its time", "silent beyond it", "its own distance counts", "said so",
        "the name lives in another boot", "two of one name, both heard", "the bus was never read",
        "the bus is not read", "the bus was away, and is back now", "still silent long after the bus is back",
        "heard again after an outage", "a short outage within its time",
    ],
)  # fmt: skip
def test_fates(seen: Worker, others: list[Worker], read: BusReading | None, now: float, expected: Fate) -> None:
    """A boot is gone when it said so, was replaced, or was silent while the bus was read; else it is not."""
    assert fate(seen, [seen, *others], read, at(now), SLACK) is expected


LATE = ALLOWED + 10


@pytest.mark.parametrize(
    ("task", "namesakes", "read", "now", "lost"),
    [
        (RUNS, [], reading(until=LATE), LATE, False),
        (replace(RUNS, worker=None, opaque=True), [worker()], reading(until=LATE), LATE, False),
        (RUNS, [worker()], reading(until=LATE), LATE, True),
        (RUNS, [worker()], reading(until=10), LATE, False),
        (RUNS, [worker(stopped=True)], reading(), 0, True),
        (RUNS, [worker()], reading(), 0, False),
        (replace(RUNS, pid=13), [worker()], reading(), 0, True),
        (replace(RUNS, pid=10), [worker(children=())], reading(), 0, False),
        (replace(RUNS, pid=13), [worker(children=())], reading(), 0, True),
        (replace(RUNS, pid=None), [worker()], reading(), 0, False),
        (replace(RUNS, pid=13), [worker(children=(), first=-5)], reading(), 0, False),
        (RUNS, [worker(1, last=-50), worker(2, first=-40, children=(21, 22))], reading(), 0, True),
        (RUNS, [worker(1, last=-50), worker(2, first=-40)], reading(), 0, False),
        (RUNS, [worker(1, last=-50), worker(2, first=-40, in_flight=0, idle=-35)], reading(), 0, True),
        (RUNS, [worker(1, last=-50), worker(2, first=-40, in_flight=0, idle=-20)], reading(), 0, False),
        (RUNS, [worker(1, last=-50), worker(2, first=-40, children=())], reading(), 0, False),
        (replace(RUNS, pid=22), [worker(1), worker(2, first=-9, children=(21, 22))], reading(), 0, False),
    ],
    ids=[
        "a worker that never sent a heartbeat is unknown", "what cannot be read is no evidence", "its worker is silent",
        "its worker is silent, and so is the bus", "its worker stopped", "its worker lives, the process too",
        "its worker lives, the process does not", "it runs in the main process (threads, solo)",
        "a pool without children, another process", "no process is told", "its worker has not told children so far",
        "its worker was started again", "started again, and the process id came again",
        "the same, and nothing runs there", "the same, idle for a moment only",
        "started again, no children told so far", "one of two of the same name runs it",
    ],
)  # fmt: skip
def test_runs(task: StoredTask, namesakes: list[Worker], read: BusReading, now: float, lost: bool) -> None:
    """A run is lost only where every boot that could run it is known not to."""
    assert judge(task, namesakes, read, at(now), SLACK).lost is lost


def test_only_a_cancelled_retry_is_lost() -> None:
    """Celery's own retries wait for their time and are never touched; what a cold shutdown left is."""
    assert not judge_retry(StoredTask("t", "RETRY")).lost
    assert judge_retry(StoredTask("t", "RETRY", cancelled=True)).lost


def test_a_heartbeat_that_comes_late_changes_nothing() -> None:
    """Neither the children nor the state of a boot go back to what they were, whatever order heartbeats come in."""
    known = heard(heard(None, beat(sent=0), at(0)), beat(sent=10, stopped=True), at(10))
    assert heard(known, beat(sent=5), at(11)) == known
    assert heard(known, beat(sent=12), at(12)).beat.stopped


def test_a_worker_is_idle_as_long_as_it_says_so() -> None:
    """Idleness begins with the first heartbeat that says so, goes on with each, and ends with one that does not."""
    first = heard(None, beat(sent=0, in_flight=0), at(0))
    second = heard(first, beat(sent=5, in_flight=0), at(5))
    assert (first.idle_since, second.idle_since) == (at(0), at(0))
    assert heard(second, beat(sent=10, in_flight=1), at(10)).idle_since is None


def test_a_gap_in_reading_begins_anew() -> None:
    """Reading goes on over small gaps; after an outage or a pause it counts from its end on."""
    going = read_on(read_on(None, at(0)), at(5))
    assert going == BusReading(at(0), at(5))
    assert read_on(going, at(100)) == BusReading(at(100), at(100))


def test_suspicion_grows_only_while_nothing_changes() -> None:
    """The grace runs from the first doubt; another process, or a sign of life, ends it."""
    lost, fine = Judgement(lost=True, why="gone"), Judgement(lost=False, why="lives")
    first = suspected(None, RUNS, lost, at(0))
    assert first is not None
    assert is_lost(suspected(first, RUNS, lost, at(60)) or first, at(60), 60)
    moved = suspected(first, replace(RUNS, pid=99), lost, at(60))
    assert moved is not None
    assert not is_lost(moved, at(60), 60)
    assert suspected(first, RUNS, fine, at(60)) is None


def test_boots_that_a_later_one_tells_better_are_forgotten_first() -> None:
    """A replaced boot is dropped after an hour, the last one of its name after a week, one that lives never."""
    hour, week = 3600, 7 * 86400
    old, last = worker(1, last=-2 * hour), worker(2, first=-hour, last=0)
    assert outdated([old, last], reading(), at(0), SLACK) == [UUID(int=1)]
    assert outdated([last], reading(until=hour), at(hour), SLACK) == []
    assert outdated([last], reading(until=week + 1), at(week + 1), SLACK) == [UUID(int=2)]
