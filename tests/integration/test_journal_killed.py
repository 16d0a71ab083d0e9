"""Workers' processes die by SIGKILL: what they had in flight is found, once, and never what still runs."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from eventbus import journal_payload
from eventbus import remains as remains_module
from eventbus.journal import Journal
from eventbus.remains import Remains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from eventbus.remains import LostRun

WORKER = "celery@here"
SECONDS = 20.0


class Pool:
    """The processes of one worker: its main one, and children that end, on being told, the runs they are told."""

    def __init__(self, folder: Path, worker: str = WORKER, *, children: int = 1) -> None:
        self.pids: list[int] = []
        pipes = [os.pipe() for _ in range(children)]
        self._orders = [order for _, order in pipes]
        ready, done = os.pipe()
        self.main = os.fork()
        if self.main == 0:
            self._work(folder, worker, [reader for reader, _ in pipes], done)
        os.close(done)
        with os.fdopen(ready) as said:
            self.pids = [int(pid) for pid in said.readline().split()]

    def _work(self, folder: Path, worker: str, readers: list[int], done: int) -> None:
        os.setsid()
        for order in self._orders:
            os.close(order)
        journal = Journal.open(folder, worker, str(uuid4()))
        pids = []
        for reader in readers:
            if (pid := os.fork()) == 0:
                os.close(done)
                self._obey(journal, reader)
            pids.append(pid)
        for number, pid in enumerate(pids):
            journal.began(f"run-{number}", record(f"run-{number}", pid))
        os.write(done, f"{' '.join(map(str, pids))}\n".encode())
        os.close(done)
        signal.pause()

    @staticmethod
    def _obey(journal: Journal, reader: int) -> None:
        while key := os.read(reader, 100):
            journal.ended(key.decode())
        signal.pause()

    def end(self, child: int, key: str) -> None:
        """Have a child say that a run is over."""
        os.write(self._orders[child], key.encode())

    def kill(self, *children: int) -> None:
        """Kill children, by their numbers."""
        for child in children:
            os.kill(self.pids[child], signal.SIGKILL)

    def kill_main(self) -> None:
        """Kill the main process alone."""
        os.kill(self.main, signal.SIGKILL)
        os.waitpid(self.main, 0)

    def kill_all(self) -> None:
        """Kill every process of the worker at once."""
        os.killpg(self.main, signal.SIGKILL)
        os.waitpid(self.main, 0)

    def clear(self) -> None:
        """Leave no process behind."""
        for pid in (self.main, *self.pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for order in self._orders:
            os.close(order)


def record(key: str, pid: int) -> dict[str, Any]:
    """Make the record of a run."""
    message = {"body": b"[]", "headers": {}, "properties": {}}
    return {"task_id": key, "task": "tasks.add", "pid": pid, "message": message}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Callable[..., Pool]]:
    """Make workers, and leave none behind."""
    made: list[Pool] = []

    def make(worker: str = WORKER, *, children: int = 1) -> Pool:
        made.append(Pool(tmp_path, worker, children=children))
        return made[-1]

    yield make
    for each in made:
        each.clear()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Callable[..., Remains]]:
    """Make readers of the folder, and have them let go in the end."""
    made: list[Remains] = []

    def make(**given: Any) -> Remains:
        made.append(Remains(tmp_path, **given))
        return made[-1]

    yield make
    for each in made:
        each.close()


def wait_for(condition: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the condition gives
    """Give what a condition gives once that is something; fail when it takes too long."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "expected it within 20 s"
        time.sleep(0.02)
    return found


def names(runs: list[LostRun]) -> list[str]:
    """Name the runs."""
    return sorted(run.record["task_id"] for run in runs)


def journals(folder: Path) -> list[Path]:
    """List the journals in a folder."""
    return list(folder.iterdir())


def test_a_worker_killed_with_all_its_children_loses_all_it_ran(
    tmp_path: Path, pool: Callable[..., Pool], reader: Callable[..., Remains]
) -> None:
    """Each run is given once, with its record; the journal stays until the last of them is told, and then goes."""
    worker = pool(children=3)
    worker.end(1, "run-1")
    remains = reader(worker=WORKER)
    wait_for(lambda: b"run-1" in next(tmp_path.glob("*/ends-0")).read_bytes())
    worker.kill_all()
    lost: list[LostRun] = []
    wait_for(lambda: len(lost.extend(remains.poll()) or lost) == 2)
    assert names(lost) == ["run-0", "run-2"]
    assert {run.worker_pid for run in lost} == {worker.main}
    assert remains.poll() == []
    lost[0].told()
    assert len(journals(tmp_path)) == 1
    lost[1].told()
    assert journals(tmp_path) == []


def test_a_child_that_outlives_its_worker_is_waited_for(
    tmp_path: Path, pool: Callable[..., Pool], reader: Callable[..., Remains]
) -> None:
    """The main process dies alone: a child that goes on and ends its run has lost nothing."""
    worker = pool(children=2)
    worker.kill_main()
    remains = reader()
    wait_for(lambda: remains.poll() or remains._claims)
    assert remains.poll() == []
    worker.end(0, "run-0")
    worker.end(1, "run-1")
    wait_for(lambda: remains.poll() == [] and journals(tmp_path) == [])


def test_a_child_that_dies_later_has_lost_its_run(
    tmp_path: Path, pool: Callable[..., Pool], reader: Callable[..., Remains]
) -> None:
    """Of two children that outlive their worker, one is killed: its run is lost then, the other's is not."""
    worker = pool(children=2)
    worker.kill_main()
    remains = reader()
    wait_for(lambda: remains.poll() or remains._claims)
    worker.kill(0)
    lost = wait_for(remains.poll)
    assert names(lost) == ["run-0"]
    lost[0].told()
    assert len(journals(tmp_path)) == 1
    worker.end(1, "run-1")
    wait_for(lambda: remains.poll() == [] and journals(tmp_path) == [])


def test_a_living_worker_is_left_alone(pool: Callable[..., Pool], reader: Callable[..., Remains]) -> None:
    """Of two workers of one name the one that lives keeps its journal, though all its children are dead."""
    living, dead = pool(), pool()
    living.kill(0)
    dead.kill_all()
    remains = reader(worker=WORKER)
    lost = wait_for(remains.poll)
    assert {run.worker_pid for run in lost} == {dead.main}
    assert len(remains._claims) == 1


def test_two_readers_never_have_the_same_journal(
    tmp_path: Path, pool: Callable[..., Pool], reader: Callable[..., Remains]
) -> None:
    """The second is given nothing while the first has it, and all of it when the first goes before it was told."""
    pool().kill_all()
    first, second = reader(), reader()
    wait_for(first.poll)
    assert second.poll() == []
    first.close()
    lost = wait_for(second.poll)
    assert names(lost) == ["run-0"]
    lost[0].told()
    assert journals(tmp_path) == []


def test_a_reader_that_is_killed_leaves_the_journal_to_the_next(
    tmp_path: Path, pool: Callable[..., Pool], reader: Callable[..., Remains]
) -> None:
    """A reader forks, as a worker's pool does, and is killed: its child, which lives on, does not hold the journal."""
    pool().kill_all()
    told, tell = os.pipe()
    first = os.fork()
    if first == 0:
        taken = Remains(tmp_path)
        wait_for(taken.poll)
        if (child := os.fork()) == 0:
            signal.pause()
        os.write(tell, str(child).encode())
        signal.pause()
    child = int(os.read(told, 20))
    try:
        remains = reader()
        assert remains.poll() == []
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        assert names(wait_for(remains.poll)) == ["run-0"]
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_worker_of_another_name_is_not_ones_own(pool: Callable[..., Pool], reader: Callable[..., Remains]) -> None:
    """The next worker takes what a namesake left; a reader for all takes the rest, after its grace."""
    pool("celery@other").kill_all()
    anybody = reader()
    assert reader(worker=WORKER).poll() == []
    patient = reader(grace=3600.0)
    assert patient.poll() == []
    assert names(wait_for(anybody.poll)) == ["run-0"]


def test_a_later_process_under_the_same_id_does_not_count_as_the_child(
    tmp_path: Path, reader: Callable[..., Remains], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process id is used again: a process that started after the run began does not run it."""
    monkeypatch.setattr(journal_payload, "_uptime", lambda: 1.0)
    told, tell = os.pipe()
    main = os.fork()
    if main == 0:
        journal = Journal.open(tmp_path, WORKER, str(uuid4()))
        journal.began("reused", record("reused", os.getppid()))
        if (child := os.fork()) == 0:
            signal.pause()
        os.write(tell, str(child).encode())
        signal.pause()
    child = int(os.read(told, 20))
    os.kill(main, signal.SIGKILL)
    os.waitpid(main, 0)
    try:
        assert names(wait_for(reader().poll)) == ["reused"]
    finally:
        os.kill(child, signal.SIGKILL)


def test_where_process_ids_mean_nothing_a_child_counts_as_alive_until_none_has_the_journal(
    pool: Callable[..., Pool], reader: Callable[..., Remains], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader in another pid namespace waits for the last process that holds the files, and then finds all lost."""
    worker = pool(children=2)
    worker.kill_main()
    monkeypatch.setattr(remains_module, "pid_space", lambda: "another container")
    remains = reader()
    wait_for(lambda: remains.poll() or remains._claims)
    worker.kill(0)
    assert remains.poll() == []
    worker.kill(1)
    assert names(wait_for(remains.poll)) == ["run-0", "run-1"]  # all at once: nobody has it any more


def test_what_a_killed_reader_or_worker_half_made_goes(tmp_path: Path, reader: Callable[..., Remains]) -> None:
    """A folder without an owner is nobody's: it is removed when it is old, not while it may be in the making."""
    for name in ("a-old", "b-new"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "a-old", (0, 0))
    assert reader().poll() == []
    assert [path.name for path in journals(tmp_path)] == ["b-new"]
