"""An orchestrator finds what a killed worker of its host had in flight, and makes failures of it."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from eventbus.journal import Journal, folder_of
from eventbus.wire import failure_id
from orchestrator.bootstrap.compose import Composer, migrate
from orchestrator.bootstrap.supervisor import Loop
from orchestrator.bus.journals import Journals
from orchestrator.bus.results import MemoryResults
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Lane
from orchestrator.domain.failures import Kind
from orchestrator.domain.results import STARTED, SUCCESS, StoredTask
from orchestrator.settings import load
from tests.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BUS = "redrive+sqlite:////nowhere/bus.sqlite"


def killed(base: Path, *tasks: str, acks_late: bool = False) -> None:
    """Have a worker begin tasks and be killed."""
    main = os.fork()
    if main == 0:
        journal = Journal.open(folder_of(None, BUS, base), "celery@gone", str(uuid4()))
        for task in tasks:
            journal.began(f"{task}/0/none", record(task, acks_late=acks_late))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(main, 0)


def record(task_id: str, *, acks_late: bool) -> dict[str, Any]:
    """Make the record of a run."""
    return {
        "task_id": task_id,
        "task": "tasks.add",
        "retries": 0,
        "attempt_id": None,
        "pid": os.getpid(),
        "started_at": time.time(),
        "acks_late": acks_late,
        "declaration": {"dependency": None, "idempotent": True},
        "message": {
            "body": b"[[1], {}, {}]",
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {"id": task_id, "task": "tasks.add"},
            "properties": {"correlation_id": task_id},
            "exchange": "",
            "routing_key": "celery",
        },
    }


def left(base: Path) -> list[Path]:
    """List the journals that are left."""
    return list(folder_of(None, BUS, base).iterdir())


@pytest.mark.parametrize("acks_late", [False, True])
def test_each_lost_run_is_a_failure_in_the_ledger_once(tmp_path: Path, *, acks_late: bool) -> None:
    """It is of kind worker_lost, waits where the broker holds the message, and the journal is gone."""
    killed(tmp_path, "one", "two", acks_late=acks_late)
    scene = Scene()
    journals = Journals(tmp_path, BUS, scene.intake.handle, scene.clock, MemoryResults(), grace=0)
    assert [journals.run_once() for _ in range(3)] == [2, 0, 0]
    assert {each.failure.id for each in scene.failures} == {failure_id(task, 0, None) for task in ("one", "two")}
    assert {each.kind for each in scene.failures} == {Kind.WORKER_LOST}
    assert {each.state == "redelivery_pending" for each in scene.failures} == {acks_late}
    assert left(tmp_path) == []


def test_what_has_succeeded_is_not_told(tmp_path: Path) -> None:
    """Its worker was killed between the result and the journal's word of it: no failure, and the journal ends."""
    killed(tmp_path, "one", "two")
    scene, results = Scene(), MemoryResults()
    results.put(StoredTask("one", SUCCESS))
    results.put(StoredTask("two", STARTED))
    assert Journals(tmp_path, BUS, scene.intake.handle, scene.clock, results, grace=0).run_once() == 2
    assert {each.failure.id for each in scene.failures} == {failure_id("two", 0, None)}
    assert left(tmp_path) == []


@pytest.mark.parametrize("error", [DependencyUnreachable("the result backend", "down"), ValueError("an id of \0")])
def test_a_result_backend_that_does_not_tell_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is away, or refuses the question: what it cannot tell counts as lost."""
    killed(tmp_path, "one")
    scene, results = Scene(), MemoryResults()
    monkeypatch.setattr(results, "failing_with", error)
    assert Journals(tmp_path, BUS, scene.intake.handle, scene.clock, results, grace=0).run_once() == 1
    assert (len(scene.failures), left(tmp_path)) == (1, [])


def test_what_could_not_be_taken_in_is_found_again(tmp_path: Path) -> None:
    """A ledger that does not answer costs nothing: the journal stays, and is read again once it does."""
    killed(tmp_path, "one")
    scene, answers = Scene(), [False]

    def take_in(bodies: Sequence[bytes]) -> int:
        if not answers[0]:
            raise DependencyUnreachable("the ledger", "down")
        return scene.intake.handle(bodies)

    journals = Journals(tmp_path, BUS, take_in, scene.clock, MemoryResults(), grace=0)
    for _ in range(2):
        with pytest.raises(DependencyUnreachable):
            journals.run_once()
    assert len(left(tmp_path)) == 1
    answers[0] = True
    assert journals.run_once() == 1
    assert (len(scene.failures), left(tmp_path)) == (1, [])


def test_the_next_worker_of_that_name_goes_first(tmp_path: Path) -> None:
    """A journal that was found dead just now is left alone, and another bus's always."""
    killed(tmp_path, "one")
    for journals in (
        Journals(tmp_path, BUS, lambda _: None, Scene().clock, MemoryResults()),
        Journals(
            tmp_path, "redrive+sqlite:////other/bus.sqlite", lambda _: None, Scene().clock, MemoryResults(), grace=0
        ),
        Journals(tmp_path / "missing", BUS, lambda _: None, Scene().clock, MemoryResults(), grace=0),
    ):
        assert journals.run_once() == 0
    assert len(left(tmp_path)) == 1


def test_taken_in_twice_it_is_one_event(tmp_path: Path) -> None:
    """A crash between the ledger's commit and the journal's end repeats the same event, which counts once."""
    killed(tmp_path, "one")
    scene = Scene()

    def crash(bodies: Sequence[bytes]) -> None:
        scene.intake.handle(bodies)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Journals(tmp_path, BUS, crash, scene.clock, MemoryResults(), grace=0).run_once()
    assert Journals(tmp_path, BUS, scene.intake.handle, scene.clock, MemoryResults(), grace=0).run_once() == 1
    assert len(scene.failures) == 1
    assert len(scene.log.read(Lane.PRIORITY, 0, 100)) == 1


@pytest.mark.slow
def test_an_orchestrator_looks_where_its_settings_say(tmp_path: Path) -> None:
    """Put together from settings, the part that reads the bus also finds, in seconds, what no next worker told."""
    files = {name: f"sqlite:///{tmp_path}/{name}.sqlite" for name in ("ledger", "eventlog", "warehouse")}
    urls = {"ledger_url": files["ledger"], "eventlog_url": files["eventlog"], "warehouse_url": files["warehouse"]}
    settings = load(bus_url=BUS, stackstorm_url="http://127.0.0.1:1", journal_dir=tmp_path / "journal", **urls)
    migrate(settings)
    composer = Composer(settings)
    (journals,) = [part for part in composer.parts(["intake"]) if isinstance(part, Loop) and part.name == "journals"]
    killed(tmp_path / "journal", "one")
    deadline = time.monotonic() + 30
    while left(tmp_path / "journal"):
        assert time.monotonic() < deadline
        time.sleep(journals.step())
    with composer.ledger.transaction() as tx:
        assert tx.failure(failure_id("one", 0, None)).kind is Kind.WORKER_LOST
