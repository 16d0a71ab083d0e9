"""Workers, by what they say of themselves: who lives, who is gone, and whether a run can still be going on.

Times are the orchestrator's own: when a heartbeat was taken in, not when a worker's clock says that it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.results import StoredTask

MISSED_BEATS: Final = 3
# An orchestrator notes every 5 s that it has read the bus to its end; a longer gap is an outage, or a pause.
READ_EVERY: Final = 5.0
LONGEST_READ_GAP: Final = 20.0
KEEP_REPLACED: Final = timedelta(hours=1)
KEEP_ENDED: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat. `boot` is one start of the worker's main process, `sent_at` its own clock, for the order alone.

    `spool_bytes` wait on its disk for the bus, those of other workers that share the folder too.
    """

    worker: str
    boot: UUID
    host: str
    pid: int
    stopped: bool
    children: tuple[int, ...]
    in_flight: int
    every_seconds: float
    sent_at: datetime
    spool_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Worker:
    """One boot of a worker. `idle_since` is when it began to say that nothing runs; None while something does."""

    beat: Beat
    first_seen: datetime
    last_seen: datetime
    idle_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class BusReading:
    """The bus was read to its end again and again, without a break, from `since` to `at`."""

    since: datetime
    at: datetime


class Fate(StrEnum):
    """What is known of a boot; `unsure` while the bus is not being read, so that silence says nothing."""

    RUNNING = "running"
    UNSURE = "unsure"
    STOPPED = "stopped"
    REPLACED = "replaced"
    GONE = "gone"


ENDED: Final = frozenset({Fate.STOPPED, Fate.REPLACED, Fate.GONE})


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a run that the backend shows as unfinished is lost, and why."""

    lost: bool
    why: str


def heard(known: Worker | None, beat: Beat, now: datetime) -> Worker:
    """Take a heartbeat in; one that came late changes nothing, and a boot that has stopped stays so."""
    idle = None if beat.in_flight else now
    if known is None:
        return Worker(beat, now, now, idle)
    if beat.sent_at <= known.beat.sent_at:
        return known
    since = known.idle_since if idle and known.idle_since else idle
    stopped = beat.stopped or known.beat.stopped
    return replace(known, beat=replace(beat, stopped=stopped), last_seen=now, idle_since=since)


def read_on(known: BusReading | None, now: datetime) -> BusReading:
    """Note that the bus is read to its end now; after a gap it counts as read from now on only."""
    if known is None or (now - known.at).total_seconds() > LONGEST_READ_GAP:
        return BusReading(now, now)
    return replace(known, at=max(now, known.at))


def fate(worker: Worker, namesakes: Sequence[Worker], reading: BusReading | None, now: datetime, slack: float) -> Fate:
    """Tell what became of a boot; `slack` is the seconds of silence allowed beyond three heartbeats.

    Only silence while the bus was being read counts: neither an outage of the bus nor a pause of the orchestrator
    makes a worker look dead.
    """
    if worker.beat.stopped:
        return Fate.STOPPED
    if any(other.beat.boot != worker.beat.boot and other.first_seen > worker.last_seen for other in namesakes):
        return Fate.REPLACED
    if reading is None or (now - reading.at).total_seconds() > LONGEST_READ_GAP:
        return Fate.UNSURE
    silence = (reading.at - max(worker.last_seen, reading.since)).total_seconds()
    if silence > MISSED_BEATS * worker.beat.every_seconds + slack:
        return Fate.GONE
    # Right after an outage each worker gets its whole time again: until then it is not known to live either.
    return Fate.RUNNING if reading.since <= worker.last_seen + _allowed(worker, slack) else Fate.UNSURE


def _allowed(worker: Worker, slack: float) -> timedelta:
    return timedelta(seconds=MISSED_BEATS * worker.beat.every_seconds + slack)


def outdated(namesakes: Sequence[Worker], reading: BusReading | None, now: datetime, slack: float) -> list[UUID]:
    """List the boots of one name that nobody asks for any more: what a later one tells better, soon; the last, late."""
    last = max(namesakes, key=lambda each: each.last_seen, default=None)
    return [
        each.beat.boot
        for each in namesakes
        if fate(each, namesakes, reading, now, slack) in ENDED
        and now - each.last_seen > (KEEP_ENDED if each is last else KEEP_REPLACED)
    ]


def judge(
    task: StoredTask, namesakes: Sequence[Worker], reading: BusReading | None, now: datetime, slack: float
) -> Judgement:
    """Tell whether a task that is STARTED runs no longer: nobody lives who could run it.

    `namesakes` are the boots of the worker that the backend names. In doubt it runs: a worker that never sent a
    heartbeat is unknown and not gone, one that was just started may not have told its children.
    """
    if task.worker is None:
        return Judgement(lost=False, why="the backend names no worker")
    if not namesakes:
        return Judgement(lost=False, why="its worker never sent a heartbeat: it is unknown, not gone")
    fates = {each.beat.boot: fate(each, namesakes, reading, now, slack) for each in namesakes}
    if Fate.UNSURE in fates.values():
        return Judgement(lost=False, why="the bus is not read without a break: silence says nothing")
    living = [each for each in namesakes if fates[each.beat.boot] is Fate.RUNNING]
    if not living:
        last = max(namesakes, key=lambda each: each.last_seen)
        return Judgement(lost=True, why=f"its worker {_TOLD[fates[last.beat.boot]]}")
    if any(_may_run(each, task.pid, now, slack) for each in living):
        return Judgement(lost=False, why="its worker lives and may run it")
    return Judgement(lost=True, why=f"its worker lives, and process {task.pid}, which ran it, does not")


_TOLD: Final = {
    Fate.STOPPED: "stopped, and the task had not ended",
    Fate.REPLACED: "was started again, and the task had not ended",
    Fate.GONE: "is not heard any more",
}


def _may_run(worker: Worker, pid: int | None, now: datetime, slack: float) -> bool:
    """Tell whether a living worker may run a task in this process; process ids come again, most of all in containers,
    so that a worker in which nothing has run for `slack` seconds does not run it.
    """
    told = bool(worker.beat.children) or now - worker.first_seen > _allowed(worker, slack)
    if pid is None or not told:
        return True
    if worker.idle_since is not None and (worker.last_seen - worker.idle_since).total_seconds() > slack:
        return False
    return pid == worker.beat.pid or pid in worker.beat.children


def judge_retry(task: StoredTask) -> Judgement:
    """Tell whether a task in RETRY is one that a cold shutdown left; Celery's own retries wait for their time."""
    if task.cancelled:
        return Judgement(lost=True, why="a worker cancelled it as it shut down, and nothing has run it since")
    return Judgement(lost=False, why="Celery retries it by itself")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A task that looks lost since `since`, as the backend showed it then; `why` says what speaks for it."""

    task: StoredTask
    since: datetime
    why: str


def suspected(known: Suspect | None, task: StoredTask, judgement: Judgement, now: datetime) -> Suspect | None:
    """Go on suspecting, begin to, or stop: a task that another process has taken up begins anew."""
    if not judgement.lost:
        return None
    if known is not None and known.task == task:
        return replace(known, why=judgement.why)
    return Suspect(task, now, judgement.why)


def is_lost(suspect: Suspect, now: datetime, grace: float) -> bool:
    """Tell whether a task has looked lost for `grace` seconds on end."""
    return (now - suspect.since).total_seconds() >= grace
