"""What every reader of a result backend must do, on the fake and on what Celery itself wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from celery import Celery
from celery.app.task import Context
from celery.exceptions import Retry

from orchestrator.bus.results import MemoryResults, open_results
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.results import StoredTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.domain.ports import Results

RAN = {"pid": 4711, "hostname": "celery@a"}


class Bench(Protocol):
    """A backend and whoever writes to it."""

    results: Results
    pickles: bool

    def started(self, task_id: str) -> None:
        """A worker says that the task runs."""

    def retried(self, task_id: str) -> None:
        """Celery retries the task."""

    def cancelled(self, task_id: str) -> None:
        """A cold shutdown leaves the task behind."""

    def succeeded(self, task_id: str, result: object = None) -> None:
        """The task succeeds."""


class FakeBench:
    """Puts values into the fake."""

    def __init__(self) -> None:
        self.results = MemoryResults()
        self.pickles = False

    def started(self, task_id: str) -> None:
        """A worker says that the task runs."""
        self.results.put(StoredTask(task_id, "STARTED", "celery@a", 4711))

    def retried(self, task_id: str) -> None:
        """Celery retries the task."""
        self.results.put(StoredTask(task_id, "RETRY"))

    def cancelled(self, task_id: str) -> None:
        """A cold shutdown leaves the task behind."""
        self.results.put(StoredTask(task_id, "RETRY", cancelled=True))

    def succeeded(self, task_id: str, _result: object = None) -> None:
        """The task succeeds."""
        self.results.put(StoredTask(task_id, "SUCCESS"))


class CeleryBench:
    """Lets the Celery that is installed write, by the very calls that its workers make."""

    def __init__(self, backend: str, read: str, conf: Mapping[str, Any], **options: Any) -> None:
        self.app = Celery("results", broker="memory://", backend=backend)
        self.app.conf.update(conf)
        self.results = open_results(read, **options)
        self.pickles = "result_serializer" in conf
        self.request = Context(task="app.call", args=[1], kwargs={}, hostname="celery@a", retries=2, children=[])

    def started(self, task_id: str) -> None:
        """A worker says that the task runs (celery/app/trace.py)."""
        self.app.backend.store_result(task_id, RAN, "STARTED", request=self.request)

    def retried(self, task_id: str) -> None:
        """Celery retries the task (celery/app/trace.py, handle_retry)."""
        self.app.backend.mark_as_retry(task_id, ValueError("again"), "Traceback ...", request=self.request)

    def cancelled(self, task_id: str) -> None:
        """A cold shutdown leaves the task behind (celery/worker/request.py, _announce_cancelled)."""
        self.app.backend.mark_as_retry(task_id, Retry(message="cancelled by Celery"), request=self.request)

    def succeeded(self, task_id: str, result: object = None) -> None:
        """The task succeeds."""
        self.app.backend.mark_as_done(task_id, result, request=self.request)


KINDS = (
    "fake",
    "redis",
    "redis extended",
    "redis gzip",
    "redis pickle",
    "redis prefix",
    "sqlite",
    "postgresql extended",
)
CONF = {
    "extended": {"result_extended": True},
    "gzip": {"result_compression": "gzip"},
    "pickle": {"result_serializer": "pickle", "accept_content": ["pickle", "json"]},
    "prefix": {"result_backend_transport_options": {"global_keyprefix": "shop[1]"}},
}


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A backend of each kind, written by Celery in each way that it has."""
    kind, _, way = request.param.partition(" ")
    if kind == "fake":
        yield FakeBench()
        return
    url = {
        "redis": lambda: request.getfixturevalue("redis_db"),
        "sqlite": lambda: f"db+sqlite:///{tmp_path}/results.sqlite",
        "postgresql": lambda: f"db+{request.getfixturevalue('postgres')}",
    }[kind]()
    theirs = url.replace("postgresql://", "postgresql+psycopg://")
    options = {"key_prefix": "shop[1]"} if way == "prefix" else {}
    made = CeleryBench(theirs, url, CONF.get(way, {}), **options)
    yield made
    made.app.close()


def everything(results: Results, limit: int = 3) -> list[StoredTask]:
    """Read page after page to the end."""
    found: dict[str, StoredTask] = {}
    page = results.unfinished(limit)
    found |= {each.task_id: each for each in page.tasks}
    while page.cursor is not None:
        page = results.unfinished(limit, page.cursor)
        found |= {each.task_id: each for each in page.tasks}
    return sorted(found.values(), key=lambda each: each.task_id)


def test_an_empty_backend_shows_nothing(bench: Bench) -> None:
    """A backend that no task has touched gives one empty page, and knows no task."""
    assert everything(bench.results) == []
    assert bench.results.state_of(["t1"]) == {}
    assert bench.results.blind is None


def test_a_started_task_is_told_with_its_worker_and_process(bench: Bench) -> None:
    """STARTED comes with the worker's node name and the process that runs the task."""
    bench.started("t1")
    (found,) = everything(bench.results)
    assert (found.task_id, found.state, found.worker, found.pid) == ("t1", "STARTED", "celery@a", 4711)
    assert not found.opaque


def test_a_retry_of_celery_differs_from_what_a_cold_shutdown_leaves(bench: Bench) -> None:
    """Of two tasks in RETRY the one is told as cancelled that no retry was published for; no pickle is run to know."""
    bench.retried("t1")
    bench.cancelled("t2")
    assert [(each.task_id, each.state, each.cancelled) for each in everything(bench.results)] == [
        ("t1", "RETRY", False),
        ("t2", "RETRY", not bench.pickles),
    ]


def test_pages_hold_every_unfinished_task_and_no_other(bench: Bench) -> None:
    """However many pages it takes, each task that has not ended is seen, and none that has."""
    for number in range(20):
        bench.started(f"running-{number:02}")
        bench.succeeded(f"done-{number:02}", "x" * 2000)
    assert [each.task_id for each in everything(bench.results)] == [f"running-{number:02}" for number in range(20)]


def test_states_are_given_for_the_tasks_asked_for(bench: Bench) -> None:
    """The state of each task asked for is told, and nothing of one that the backend does not know."""
    bench.started("t1")
    bench.succeeded("t2", {"status": "STARTED"})
    found = bench.results.state_of(["t1", "t2", "t3"])
    assert {task_id: each.state for task_id, each in found.items()} == {"t1": "STARTED", "t2": "SUCCESS"}


def test_a_task_that_ends_leaves_the_pages(bench: Bench) -> None:
    """What ended after it was seen is not seen again."""
    bench.started("t1")
    assert len(everything(bench.results)) == 1
    bench.succeeded("t1")
    assert everything(bench.results) == []


def test_extended_results_name_task_and_retries(redis_db: str) -> None:
    """With `result_extended` the task's name and its retries are known."""
    bench = CeleryBench(redis_db, redis_db, CONF["extended"])
    bench.started("t1")
    (found,) = everything(bench.results)
    assert (found.task, found.retries) == ("app.call", 2)
    bench.app.close()


def test_large_arguments_hide_no_started_task(redis_db: str) -> None:
    """With `result_extended` and arguments of a megabyte the worker is still known; they are not read."""
    bench = CeleryBench(redis_db, redis_db, CONF["extended"])
    bench.request.args = ["x" * 1_000_000]
    bench.started("t1")
    (found,) = everything(bench.results)
    assert (found.worker, found.pid) == ("celery@a", 4711)
    bench.app.close()


@pytest.mark.parametrize(
    "url", ["redis://:hunter2@127.0.0.1:1/0", "db+postgresql://postgres:hunter2@127.0.0.1:1/postgres"]
)
def test_a_backend_that_is_away_says_so_and_keeps_its_password(url: str) -> None:
    """Both verbs raise DependencyUnreachable, and what they say holds no password."""
    results = open_results(url)
    for call in (lambda: results.unfinished(10), lambda: results.state_of(["t1"])):
        with pytest.raises(DependencyUnreachable) as raised:
            call()
        assert "hunter2" not in str(raised.value)
