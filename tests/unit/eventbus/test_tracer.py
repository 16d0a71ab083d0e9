"""Around Celery's own tracer: how a run ended is seen where it ran, and told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from billiard.process import current_process
from celery import Celery, signals
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject

from eventbus import wire
from eventbus.declaration import Declarations
from eventbus.departing import Departing
from eventbus.kept import BEGUN, KEY
from eventbus.reporter import Reporter
from eventbus.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Kept:
    """A publisher that keeps every event when it is asked to."""

    def __init__(self) -> None:
        self.events: list[wire.Event] = []
        self.waiting: list[Callable[[], None]] = []

    def publish(self, event: wire.Event, *, on_kept: Callable[[], None] | None = None, **_: Any) -> None:
        """Take it."""
        self.events.append(event)
        if on_kept:
            self.waiting.append(on_kept)

    def attach(self, source: object) -> None:
        """Ask nobody."""

    def start(self) -> None:
        """Nothing is to be started."""

    def flush(self, _timeout: float) -> None:
        """Keep what waits."""
        while self.waiting:
            self.waiting.pop()()


class Written:
    """A journal in memory: what ended."""

    def __init__(self) -> None:
        self.over: list[str] = []

    def began(self, key: str, record: object) -> None:
        """Runs begin elsewhere."""

    def ended(self, key: str) -> None:
        """Note it."""
        self.over.append(key)


class Child:
    """A process that runs one task: `behave` is what the task does."""

    def __init__(self, folder: Path) -> None:
        self.app = Celery("child", backend="cache+memory://", set_as_current=False)
        self.behave: Callable[[], object] = lambda: None

        def run(*_args: object) -> object:
            return self.behave()

        self.task = self.app.task(name="child.run", shared=False, max_retries=3, default_retry_delay=0)(run)
        self.kept, self.journal = Kept(), Written()
        reporter = Reporter(self.kept, Declarations(), Departing.of_worker(folder, environ={}))  # type: ignore[arg-type]  # a stand-in
        self.tracer = Tracer(reporter, self.journal)

    def run(self, *, redelivered: bool = False, began_at: float = 1.5) -> Any:  # noqa: ANN401 - what Celery's tracer gives
        """Run the task as a pool's child does."""
        self.task.__trace__ = build_tracer(self.task.name, self.task, app=self.app)
        self.tracer.around(self.task)
        headers = {"id": "t-1", "task": "child.run", "retries": 0}
        request = {
            **headers,
            "hostname": "celery@here",
            "is_eager": False,
            "delivery_info": {"exchange": "", "routing_key": "celery", "redelivered": redelivered},
            "properties": {
                KEY: (b"[[], {}, {}]", "application/json", "utf-8", headers, "", "celery", "celery"),
                BEGUN: began_at,
            },
        }
        return self.task.__trace__("t-1", (), {}, request)

    def ways(self) -> list[str]:
        """Name the failures that were told."""
        return [event.data["captured"] for event in self.kept.events if event.type == wire.TASK_FAILED]


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    """A child that hears Celery's signal as the plugin lets it."""
    child = Child(tmp_path)

    def hear(sender: Any, exception: BaseException, einfo: Any, **_: Any) -> None:  # noqa: ANN401 - celery has no types
        child.tracer.failed(sender, exception, einfo)

    signals.task_failure.connect(hear)
    yield child
    signals.task_failure.disconnect(hear)


@pytest.mark.parametrize("in_pool", [False, True])
def test_a_child_that_leaves_says_that_its_message_goes_back_to_the_queue(
    child: Child, monkeypatch: pytest.MonkeyPatch, in_pool: bool
) -> None:
    """The main process rejects what acks_late and reject_on_worker_lost say; threads and solo pools have none."""
    child.task.acks_late = child.task.reject_on_worker_lost = True
    monkeypatch.setitem(current_process()._config, "daemon", in_pool)
    child.behave = raising(SystemExit(3))
    with pytest.raises(SystemExit):
        child.run()
    (failure,) = [event.data for event in child.kept.events if event.type == wire.TASK_FAILED]
    assert (failure["captured"], failure["redelivery"]) == ("system_exit", in_pool)


def test_a_run_began_when_its_main_process_handed_it_over(child: Child) -> None:
    """The child's event says when, as the main process's would: else they would look like two runs."""
    child.behave = raising(ValueError("no"))
    child.run(began_at=1_000_000_000.5)
    (failure,) = [event.data for event in child.kept.events if event.type == wire.TASK_FAILED]
    assert failure["started_at"] == "2001-09-09T01:46:40.500000+00:00"


def raising(error: BaseException) -> Callable[[], object]:
    """Make a task that raises."""

    def behave() -> object:
        raise error

    return behave


def test_a_run_that_succeeds_is_struck_out_and_nothing_else(child: Child) -> None:
    """No event, one word in the journal."""
    assert child.run().info is None
    assert (child.kept.events, child.journal.over) == ([], ["t-1/0/none/1.5"])


def test_a_failed_run_is_over_only_when_its_event_is_kept(child: Child) -> None:
    """Until bus or spool has it, the journal is what would tell of it."""
    child.behave = raising(ValueError("no"))
    child.run()
    assert (child.ways(), child.journal.over) == (["exception"], [])
    child.kept.flush(1)
    assert child.journal.over == ["t-1/0/none/1.5"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_leaves_the_process_is_told_before_it_leaves(child: Child, error: BaseException) -> None:
    """The event is kept by then, and Celery sees what it would have seen."""
    child.behave = raising(error)
    with pytest.raises(type(error)):
        child.run()
    assert (child.ways(), child.journal.over) == (["system_exit"], ["t-1/0/none/1.5"])


def test_memory_that_runs_out_has_a_name_of_its_own_and_is_kept_at_once(child: Child) -> None:
    """The whole worker leaves next."""
    child.behave = raising(MemoryError("no more"))
    child.run()
    assert (child.ways(), child.journal.over) == (["memory_error"], ["t-1/0/none/1.5"])


def test_a_backend_that_is_away_hides_no_failure(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery gives its signal only once the failure is stored; the failure is told without it, once."""

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no backend")

    monkeypatch.setattr(child.task.backend, "mark_as_failure", refuse)
    child.behave = raising(ValueError("no"))
    with pytest.warns(RuntimeWarning), pytest.raises(ConnectionError):
        child.run()
    assert child.ways() == ["exception"]


@pytest.mark.parametrize(
    ("behave", "outcomes"),
    [
        (lambda: "done", ["succeeded"]),
        (raising(Ignore()), ["ignored"]),
        (raising(Reject("not mine", requeue=False)), ["ignored"]),
        (raising(Reject("later", requeue=True)), []),
        (raising(ValueError("no")), []),
    ],
)
def test_a_redelivered_run_that_ends_without_failure_says_so(
    child: Child, behave: Callable[[], object], outcomes: list[str]
) -> None:
    """What waits for the redelivery is closed by it; a message that goes back again, or a failure, closes nothing."""
    child.behave = behave
    child.run(redelivered=True)
    ended = [event.data["outcome"] for event in child.kept.events if event.type == wire.REDELIVERY_ENDED]
    assert ended == outcomes


def test_a_task_is_wrapped_once(child: Child) -> None:
    """A new connection to the broker wraps no run twice."""
    child.run()
    wrapped = child.task.__trace__
    child.tracer.around(child.task)
    assert child.task.__trace__ is wrapped


def test_a_failure_that_could_not_be_told_is_told_by_what_sees_it_next(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault on the way of Celery's signal leaves it to the end of the run."""
    tell, faults = Reporter.failed, [TypeError("ours")]

    def failed(*given: Any, **more: Any) -> None:
        if faults:
            raise faults.pop()
        tell(*given, **more)

    monkeypatch.setattr(Reporter, "failed", failed)
    child.behave = raising(ValueError("no"))
    child.run()
    assert child.ways() == ["exception"]
