"""What dead workers left: told by the next worker, whatever of it is torn and whatever its result backend says."""

from __future__ import annotations

import faulthandler
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery import Celery

from eventbus import guard
from eventbus.aftermath import Aftermath
from eventbus.departing import Departing
from eventbus.journal import Journal
from eventbus.journal_files import OWNER
from eventbus.remains import Remains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eventbus import wire

NAME = "celery@here"


class Taken:
    """A publisher that has what it is given."""

    def __init__(self) -> None:
        self.task_ids: list[str] = []

    def publish(self, event: wire.Event, *, on_kept: Callable[[], None], **_: Any) -> None:
        """Take it."""
        self.task_ids.append(event.data["task_id"])
        on_kept()


class Results:
    """A result backend that knows what has succeeded, and answers to `bad` with a fault."""

    persistent = True

    def as_uri(self) -> str:
        """Name it."""
        return "results://"

    def get_task_meta(self, task_id: str, *, cache: bool) -> dict[str, Any]:  # noqa: ARG002 - as Celery calls it
        """As Celery's backends do."""
        if task_id == "bad":
            raise TypeError("expected no such id")
        return {"status": "SUCCESS" if task_id == "good" else "PENDING"}


def dead(folder: Path, task_ids: Iterable[str]) -> Path:
    """Leave the journal of a worker that was killed with these tasks in flight."""
    boot = str(uuid4())
    child = os.fork()
    if child == 0:
        journal = Journal.open(folder, NAME, boot)
        for task_id in task_ids:
            journal.began(task_id, record(task_id))
        os._exit(0)
    os.waitpid(child, 0)
    (place,) = folder.glob(f"*-{boot}")
    return place


def record(task_id: str) -> dict[str, Any]:
    """Make the record of a run."""
    message = {"body": b"[]", "headers": {}, "properties": {}}
    message |= dict.fromkeys(("content_type", "content_encoding", "exchange", "routing_key", "queue"), "x")
    return {
        **dict.fromkeys(("retries", "pid", "started_at"), 1),
        "task_id": task_id,
        "task": "tasks.add",
        "attempt_id": None,
        "acks_late": False,
        "declaration": {"dependency": None, "idempotent": False},
        "message": message,
    }


def descriptors(place: Path) -> list[str]:
    """Name what this process has open in a folder."""
    found = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    opened = [str(path.readlink()) for path in found if path.is_symlink()]
    return sorted(each for each in opened if each.startswith(str(place)))


def told(folder: Path, backend: object) -> list[str]:
    """Look once, and name the tasks that are told as lost."""
    taken = Taken()
    departing = Departing.of_worker(folder, environ={})
    Aftermath(folder, NAME, taken, departing, lambda: backend)._look()  # type: ignore[arg-type]  # a stand-in
    return sorted(taken.task_ids)


def test_a_result_that_cannot_be_asked_for_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is told as lost, and the backend is asked of the next one."""
    monkeypatch.setattr(guard, "_said", set())
    folder = tmp_path / "journals"
    dead(folder, ["bad", "good", "lost"])
    assert told(folder, Results()) == ["bad", "lost"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("backend", [None, "rpc://"])
def test_a_backend_that_keeps_nothing_is_not_asked(
    tmp_path: Path, backend: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it cannot say counts as lost, without a fault."""
    monkeypatch.setattr(guard, "_said", set())
    dead(tmp_path / "journals", ["good"])
    app = Celery("x", broker="memory://", backend=backend, set_as_current=False)
    assert told(tmp_path / "journals", app.backend) == ["good"]
    assert caplog.messages == []


@pytest.mark.parametrize("content", [b"", b"0", b'0{"worker": "cel', bytes(40), b"0[]", b"0{}"])
def test_a_torn_owner_costs_no_run_and_no_descriptor(tmp_path: Path, content: bytes) -> None:
    """What a crash of the machine leaves of the file is said once; the runs are told, and other journals too."""
    torn = dead(tmp_path / "journals", ["a"])
    (torn / OWNER).write_bytes(content)
    dead(tmp_path / "journals", ["b"])
    remains, before = Remains(tmp_path / "journals", worker=NAME), descriptors(tmp_path)
    found = remains.poll()
    assert sorted(run.record["task_id"] for run in found) == ["a", "b"]
    assert {run.worker for run in found} == {NAME}
    assert torn.name.endswith(next(run.boot for run in found if run.record["task_id"] == "a"))
    for run in found:
        run.told()
    assert (remains.poll(), list((tmp_path / "journals").iterdir())) == ([], [])
    assert descriptors(tmp_path) == before


def test_a_fork_in_the_midst_of_a_removal_neither_waits_nor_keeps_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool forks on while another thread removes a journal from a slow disk."""
    place = dead(tmp_path / "journals", ["a"])
    remains = Remains(tmp_path / "journals", worker=NAME)
    (run,) = remains.poll()
    removing, go_on = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> None:
        removing.set()
        go_on.wait()

    monkeypatch.setattr(shutil, "rmtree", slow)
    thread = threading.Thread(target=run.told)
    thread.start()
    removing.wait()
    faulthandler.dump_traceback_later(60, exit=True)  # a fork that waits ends the tests
    assert str(place / OWNER) in descriptors(place)
    child = os.fork()
    if child == 0:
        os._exit(str(place / OWNER) in descriptors(place))
    assert os.waitpid(child, 0)[1] == 0
    faulthandler.cancel_dump_traceback_later()
    go_on.set()
    thread.join()
