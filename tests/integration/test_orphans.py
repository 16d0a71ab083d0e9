"""Workers that die without a word: what the result backend alone shows becomes one failure, and nothing else does."""

from __future__ import annotations

from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.failures import FailureState, Kind, Way
from tests.integration.orphan_field import OrphanField, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(params=["redis", "database", "postgresql"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OrphanField]:
    """An orchestrator's eyes on a backend of each kind; the broker is a SQLite file."""
    backend = {
        "redis": lambda: request.getfixturevalue("redis_db"),
        "database": lambda: f"db+sqlite:///{tmp_path}/results.sqlite",
        "postgresql": lambda: f"db+{request.getfixturevalue('postgres')}".replace("sql://", "sql+psycopg://"),
    }[request.param]()
    with OrphanField(tmp_path, f"redrive+sqlite:///{tmp_path}/broker.sqlite", backend) as made:
        yield made


def test_a_killed_worker_leaves_exactly_one_failure(ground: OrphanField) -> None:
    """Of two tasks on a worker that is killed whole each is one failure, found once however often looked."""
    worker = ground.worker("a", EXTENDED="1")
    sent = {ground.send("slow", 600), ground.send("slow", 600)}
    for task_id in sent:
        wait_for(lambda task_id=task_id: ground.started_on(task_id))
    worker.kill()
    wait_for(lambda: len(ground.found() or ()) == 2 or None)
    for _ in range(3):
        ground.look()
    assert {each.failure.task_id for each in ground.failures} == sent
    for each in ground.failures:
        assert (each.failure.captured, each.kind, each.state) == (Way.ORPHANED, Kind.WORKER_LOST, FailureState.DEAD)
        assert (each.failure.task, each.failure.worker, each.reports) == ("orphan_app.slow", "a@here", 1)
        assert each.failure.message.missing


def test_a_long_task_on_a_living_worker_is_no_failure(ground: OrphanField) -> None:
    """Over many rounds, longer than any grace, a task that merely takes its time is left alone."""
    ground.worker("a")
    task_id = ground.send("slow", 600)
    assert wait_for(lambda: ground.started_on(task_id)) == "a@here"
    ground.rounds(30)
    assert ground.failures == []


def test_a_task_moved_by_redelivery_is_no_failure(tmp_path: Path, rabbitmq: str, redis_db: str) -> None:
    """A task that the broker delivered again to another worker is not lost, though the first one is gone."""
    with OrphanField(tmp_path, rabbitmq, redis_db) as ground:
        workers = {name: ground.worker(name) for name in ("a", "b")}
        task_id = ground.send("kept", 600)
        first = wait_for(lambda: ground.started_on(task_id))
        workers[first[0]].kill()
        (second,) = {"a@here", "b@here"} - {first}
        wait_for(lambda: ground.started_on(task_id) == second or None)
        wait_for(lambda: ground.fates()[first] == "gone" or None)
        ground.rounds(15)
        assert ground.failures == []


def test_a_worker_with_the_plugin_whose_folder_is_gone_leaves_one_failure(ground: OrphanField) -> None:
    """Its own heartbeats tell that it lives, and when it does not; with no journal left the backend tells its run."""
    folder = ground.folder / "spool"
    told = {"PLUGIN": "1", "REDRIVE_BUS_URL": ground.bus, "REDRIVE_SPOOL_DIR": str(folder)}
    worker = ground.worker("a", **told)
    task_id = ground.send("slow", 600)
    wait_for(lambda: ground.started_on(task_id))
    wait_for(lambda: ground.busy("a@here") or None)
    for _ in range(3):
        ground.look()
    assert (ground.fates(), ground.failures) == ({"a@here": "running"}, [])
    worker.kill()
    rmtree(folder)
    (found,) = wait_for(ground.found)
    assert (found.failure.task_id, found.failure.captured, found.reports) == (task_id, Way.ORPHANED, 1)
