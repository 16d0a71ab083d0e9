"""The worker's main process: a loss is reported once, a message that comes back is pending, a success is none."""

from __future__ import annotations

import sys
from copy import deepcopy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest
from billiard.einfo import ExceptionInfo
from celery import Celery, signals
from celery.backends import cache
from celery.exceptions import Reject, TimeLimitExceeded, WorkerLostError
from celery.worker.request import Request, create_request_cls
from kombu import Queue
from kombu.message import Message

from eventbus import wire
from eventbus.capture import keeping
from eventbus.declaration import Declarations
from eventbus.departing import Departing
from eventbus.journal import Journal
from eventbus.journal_files import ENDS, RUNS
from eventbus.journal_records import flight_of
from eventbus.kept import BEGUN
from eventbus.parent import Parent
from eventbus.reporter import Reporter
from eventbus.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BODY = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


def run(*_: object) -> None:
    """Do nothing."""


class Kept:
    """A publisher that keeps every event at once."""

    def __init__(self) -> None:
        self.events: list[wire.Event] = []

    def publish(self, event: wire.Event, *, on_kept: Callable[[], None] | None = None, **_: Any) -> None:
        """Keep it, and say so."""
        self.events.append(event)
        if on_kept:
            on_kept()

    def attach(self, source: object) -> None:
        """Ask nobody."""

    def start(self) -> None:
        """Nothing is to be started."""

    def of(self, event_type: str) -> list[Any]:
        """Give the data of the events of a type; each must be as its schema says."""
        found = [event for event in self.events if event.type == event_type]
        for event in found:
            jsonschema_rs.validator_for(orjson.loads(wire.schema_text(event_type))).validate(
                wire.to_mapping(event)["data"]
            )
        return [event.data for event in found]


class Written:
    """A journal in memory: what began and what ended, in order."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []

    def began(self, key: str, record: object) -> None:  # noqa: ARG002 - as a journal has it
        """Note it."""
        self.notes.append(("began", key))

    def ended(self, key: str) -> None:
        """Note it."""
        self.notes.append(("ended", key))


class Bench:
    """One application's parent process, without a broker."""

    def __init__(self, folder: Path) -> None:
        self.app = Celery("parent", backend="cache+memory://", set_as_current=False)
        limits = {"x-queue-type": "quorum", "x-delivery-limit": 2}
        self.app.conf.task_queues = [Queue("celery"), Queue("limited", queue_arguments=limits)]
        self.task = self.app.task(name="parent.run", shared=False)(run)
        self.kept, self.journal = Kept(), Written()
        reporter = Reporter(self.kept, Declarations(), Departing.of_worker(folder, environ={}))  # type: ignore[arg-type]  # a stand-in
        self.parent = Parent(self.app, reporter, self.journal)

    def request(self, queue: str = "celery", *, redelivered: bool = False, **headers: Any) -> Any:  # noqa: ANN401 - celery has no types
        """Make the request of one delivery."""
        headers = {"id": "t-1", "task": "parent.run", **headers}
        message = Message(
            BODY, content_type="application/json", content_encoding="utf-8", headers=headers, properties={},
            delivery_info={"exchange": "", "routing_key": queue, "redelivered": redelivered},
        )  # fmt: skip
        return keeping(Request, self.parent)(message, app=self.app, task=self.task, body=BODY, headers=headers)

    def fail(self, request: Any, error: BaseException, **options: Any) -> None:  # noqa: ANN401 - celery has no types
        """Let Celery end the run as the pool tells it to."""
        request.on_accepted(4711, 0.0)
        try:
            raise error  # noqa: TRY301 - a traceback is wanted
        except BaseException:  # noqa: BLE001 - SystemExit is one of the ends
            request.on_failure(ExceptionInfo(sys.exc_info()), **options)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A parent that hears Celery's signal as the plugin lets it."""
    cache._DUMMY_CLIENT_CACHE.clear()  # one for all backends in memory of a process: other tests' tasks have these ids
    bench = Bench(tmp_path)

    def hear(task_id: str, **_: Any) -> None:
        bench.parent.signalled(task_id)

    signals.task_failure.connect(hear)
    yield bench
    signals.task_failure.disconnect(hear)


@pytest.mark.parametrize(
    ("error", "way"),
    [
        (WorkerLostError("signal 9"), "child_killed"),
        (SystemExit(3), "system_exit"),
        (TimeLimitExceeded(1), "time_limit"),
    ],
)
def test_a_loss_is_reported_once_and_struck_out_of_the_journal(bench: Bench, error: BaseException, way: str) -> None:
    """One event names the way and the message; the run was written down before, and is over after."""
    request = bench.request()
    bench.fail(request, error)
    request.on_timeout(soft=False, timeout=1)
    (failure,) = bench.kept.of(wire.TASK_FAILED)
    assert (failure["captured"], failure["redelivery"], failure["message"]["queue"]) == (way, False, "celery")
    assert failure["started_at"] is not None
    key = f"t-1/0/none/{request.request_dict['properties'][BEGUN]}"
    assert bench.journal.notes == [("began", key), ("ended", key)]


def test_two_who_end_a_run_end_no_later_one(bench: Bench, tmp_path: Path) -> None:
    """The child has told of the run, the main process sees it lost: what the broker brings next is in flight."""
    bench.parent = Parent(bench.app, bench.parent._reporter, journal := Journal.open(tmp_path, "celery@here", "boot"))
    first = bench.request()
    bench.fail(first, WorkerLostError("signal 9"))
    journal.ended(Run.of("parent.run", first.request_dict).key)
    bench.request(redelivered=True).on_accepted(4711, 0.0)
    files = [(journal.place / name).read_bytes() for name in (RUNS, *ENDS)]
    assert [len(runs) for runs in flight_of(files[0], (files[1], files[2])).begun.values()] == [1]


def test_child_and_main_process_name_one_beginning_of_a_run(bench: Bench) -> None:
    """What the child is handed says when its run began: the main process, which hears of it later, says the same."""
    handed: list[tuple[Any, ...]] = []

    class Pool:
        """Keeps what it is to run."""

        def apply_async(self, *_: Any, args: tuple[Any, ...], **options: Any) -> None:  # noqa: ARG002 - as the pool's
            handed.append(args)

    message = bench.request().message
    made = create_request_cls(keeping(Request, bench.parent), bench.task, Pool(), "celery@here", None, app=bench.app)
    request = made(message, app=bench.app, task=bench.task, body=BODY, headers=message.headers)
    request.execute_using_pool(None)
    in_child = deepcopy(handed[0][2]["properties"])
    bench.fail(request, WorkerLostError("signal 9"))
    (failure,) = bench.kept.of(wire.TASK_FAILED)
    assert failure["started_at"] == datetime.fromtimestamp(in_child[BEGUN], UTC).isoformat()


def test_a_message_that_is_lost_again_and_again_is_told_once(bench: Bench) -> None:
    """The broker still holds it: pending, and no flood however often it comes back; each run is struck out."""
    bench.task.acks_late = bench.task.reject_on_worker_lost = True
    for _ in range(50):
        bench.fail(bench.request(redelivered=True), WorkerLostError("signal 9"))
    (failure,) = bench.kept.of(wire.TASK_FAILED)
    assert (failure["captured"], failure["redelivery"]) == ("child_killed", True)
    assert len(bench.journal.notes) == 100


def test_a_second_delivery_of_the_same_id_that_is_lost_for_good_is_told_too(bench: Bench) -> None:
    """Only what the broker holds is told once in a while: a run that ends for good is never left out."""
    for _ in range(2):
        bench.fail(bench.request(), WorkerLostError("signal 9"))
    assert len(bench.kept.of(wire.TASK_FAILED)) == 2


@pytest.mark.parametrize(("count", "way", "redelivery"), [(1, "child_killed", True), (2, "delivery_limit", False)])
def test_the_last_delivery_that_a_queue_allows_is_the_end(bench: Bench, count: int, way: str, redelivery: bool) -> None:
    """A requeue that a quorum queue answers by dropping the message is a failure of its own name."""
    bench.task.acks_late = bench.task.reject_on_worker_lost = True
    bench.fail(bench.request("limited", **{"x-delivery-count": count}), WorkerLostError("signal 9"))
    (failure,) = bench.kept.of(wire.TASK_FAILED)
    assert (failure["captured"], failure["redelivery"]) == (way, redelivery)


def test_a_task_that_gives_its_message_back_once_too_often_is_told(bench: Bench) -> None:
    """Reject(requeue=True) reports nothing until the queue would drop the message."""
    bench.task.acks_late = True
    for count in (1, 2):
        rejection = Reject("later", requeue=True)
        bench.fail(bench.request("limited", **{"x-delivery-count": count}), rejection, return_ok=True)
    assert [failure["captured"] for failure in bench.kept.of(wire.TASK_FAILED)] == ["delivery_limit"]


def test_what_the_child_has_told_is_not_told_again(bench: Bench) -> None:
    """A failure that came back from a living child is the child's."""
    bench.fail(bench.request(), ValueError("told"), return_ok=True)
    assert bench.kept.events == []


def test_a_backend_that_is_away_hides_no_loss(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Celery cannot even store the failure it raises, as without the plugin, and the loss is told."""

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no backend")

    monkeypatch.setattr(bench.task.backend, "mark_as_failure", refuse)
    with pytest.raises(ConnectionError):
        bench.fail(bench.request(), WorkerLostError("signal 9"))
    assert [failure["captured"] for failure in bench.kept.of(wire.TASK_FAILED)] == ["child_killed"]


def test_an_expired_message_is_a_failure_and_a_revoked_one_ends_what_waited(bench: Bench) -> None:
    """Expired is told; revoked is not, and closes a failure whose message the broker had brought again."""
    assert bench.request(expires="2020-01-01T00:00:00+00:00").revoked()
    assert [failure["captured"] for failure in bench.kept.of(wire.TASK_FAILED)] == ["expired"]
    assert bench.request(redelivered=True).revoked()  # Celery counts what expired among the revoked
    assert [ended["outcome"] for ended in bench.kept.of(wire.REDELIVERY_ENDED)] == ["ignored"]


def test_a_redrive_of_what_expired_here_may_run(bench: Bench) -> None:
    """The redriver has taken the old expiry off: Celery's memory of it must not refuse the run."""
    assert bench.request(id="t-2", expires="2020-01-01T00:00:00+00:00").revoked()
    attempt = {wire.ATTEMPT_HEADER: "5f2f6b4e-7d2c-4c55-9a38-0c44d5b7a111"}
    assert not bench.request(id="t-2", **attempt).revoked()


def test_a_fault_of_the_plugins_own_changes_nothing_for_celery(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Celery acknowledges and ends the run as ever; the fault is logged once."""

    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(bench.parent, "_report", break_down)
    monkeypatch.setattr(bench.journal, "began", break_down)
    for _ in range(3):
        request = bench.request()
        bench.fail(request, WorkerLostError("signal 9"))
        assert request.acknowledged
    said = [record.getMessage() for record in caplog.records if "capture.failed" in record.getMessage()]
    assert sorted(line.split()[1] for line in said) == ["Parent.began;", "Parent.failed;"]
