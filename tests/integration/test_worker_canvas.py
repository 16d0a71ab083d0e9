"""A real worker: what is redriven goes on in its chain and keeps its group; what is said of its chord comes true."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from celery import chord, group, signature

from eventbus import wire
from orchestrator.bus.opening import Opener
from orchestrator.bus.redriver import BusRedriver
from orchestrator.domain.canvas import Chord, Membership, canvas_of
from orchestrator.flows.reading import failure_of
from tests.integration.worker_harness import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Signature
    from celery.result import AsyncResult

    from orchestrator.domain.failures import Failure

APP = "tests.integration.canvas_app"


class Bench(WorkerBench):
    """A worker of the canvas app on the SQLite bus, and what its tests do with it."""

    def task(self, name: str, *args: object) -> Signature:
        """Make the signature of one of its tasks."""
        return signature(name, args=args, app=self.app)

    def failed(self) -> Failure:
        """Wait for the failure, as the orchestrator reads it."""
        return failure_of(self.wait_for_events(wire.TASK_FAILED, 1)[0])

    def redrive(self, failure: Failure) -> None:
        """Publish a failure's message again, as the orchestrator does, and wait until that run has ended well."""
        redriver = BusRedriver(self.broker, Opener())
        redriver.publish(failure.message, uuid4(), None)
        redriver.close()
        (ended,) = self.wait_for_events(wire.ATTEMPT_ENDED, 1)
        assert ended.data["outcome"] == "succeeded"

    def fresh(self, result: AsyncResult) -> AsyncResult:
        """Ask the backend anew: a result that was once asked for keeps the failure that it was told."""
        return self.app.AsyncResult(result.id)

    def comes(self, result: AsyncResult, value: object) -> None:
        """Wait until a task's result is this."""
        self.wait_for(lambda: self.fresh(result).result == value or None)

    def ran(self) -> Counter[str]:
        """Count the runs of each task by its name."""
        return Counter(line.split()[0] for line in self.runs)


@pytest.fixture(params=["redis", pytest.param("sqlite", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A running worker with each kind of result backend."""
    settings = {"GATE": str(tmp_path / "gate")}
    if request.param == "redis":
        settings["BACKEND"] = request.getfixturevalue("redis_db")
    with Bench(tmp_path, f"redrive+sqlite:///{tmp_path}/bus.sqlite", app=APP, **settings) as bench:
        yield bench


def test_a_redriven_link_goes_on_with_its_chain(bench: Bench) -> None:
    """The middle of four links fails and is redriven: the two after it run with its result, each of them once."""
    last = (bench.task("double", 1) | bench.task("flaky") | bench.task("double") | bench.task("total")).apply_async()
    failure = bench.failed()
    canvas = canvas_of(failure)
    assert (canvas.member_of, canvas.later) == ((Membership.CHAIN,), ("double", "total"))
    bench.wait_for(lambda: bench.fresh(last).state == "FAILURE" or None)
    bench.redrive(failure)
    bench.comes(last.parent, 6)
    bench.wait_for(lambda: bench.ran()["total"] or None)
    bench.stop()
    assert bench.ran() == {"double": 2, "flaky": 2, "total": 1}
    assert bench.runs[-1].split(" ", 2) == ["total", last.id, "6"]


def test_a_chord_that_is_still_to_come_comes(bench: Bench) -> None:
    """The link before a group fails and is redriven: group and body run with its result, each member once."""
    members = group(bench.task("double"), bench.task("double"))
    last = (bench.task("flaky", 1) | members | bench.task("total")).apply_async()
    bench.redrive(bench.failed())
    bench.comes(last, 8)
    bench.stop()
    assert bench.ran() == {"flaky": 2, "double": 2, "total": 1}


def test_a_redriven_member_keeps_its_group(bench: Bench) -> None:
    """Both runs see the same group and the same index, and the group has every result in its order."""
    sent = group(bench.task("double", 1), bench.task("flaky", 2)).apply_async()
    failure = bench.failed()
    canvas = canvas_of(failure)
    assert (canvas.member_of, canvas.group, canvas.group_index) == ((Membership.GROUP,), sent.id, 1)
    bench.redrive(failure)
    assert [bench.fresh(each).get(timeout=10) for each in sent.results] == [2, 3]
    seen = [line.split()[2:] for line in bench.runs if line.startswith("flaky")]
    assert seen == [["2", sent.id, "1"]] * 2


def test_callbacks_and_errbacks_are_kept(bench: Bench) -> None:
    """The errback ran when the task failed; the callback runs when it has been redriven, with its result, once."""
    sent = bench.task("flaky", 1).apply_async(link=bench.task("total"), link_error=bench.task("heard"))
    failure = bench.failed()
    canvas = canvas_of(failure)
    assert (canvas.callbacks, canvas.errbacks) == (("total",), ("heard",))
    bench.wait_for(lambda: bench.ran()["heard"] or None)
    assert bench.ran()["total"] == 0
    bench.redrive(failure)
    bench.comes(sent, 2)
    bench.wait_for(lambda: bench.ran()["total"] or None)
    bench.stop()
    assert bench.ran() == {"flaky": 2, "heard": 1, "total": 1}


@pytest.mark.parametrize("member", ["flaky", pytest.param("a chain", marks=pytest.mark.slow)])
def test_a_chord_that_has_failed_stays_so_until_its_body_is_published_by_hand(bench: Bench, member: str) -> None:
    """What the canvas says: the redrive stores the result, the body does not run; by hand it runs under its own id."""
    last = bench.task("flaky", 2) | bench.task("double") if member == "a chain" else bench.task("flaky", 5)
    body = chord([bench.task("double", 1), last], app=bench.app)(bench.task("total"))
    failure = bench.failed()
    canvas = canvas_of(failure)
    assert canvas.chord == Chord("total", body.id)
    assert canvas.why_late
    bench.wait_for(lambda: bench.fresh(body).state == "FAILURE" or None)
    bench.redrive(failure)
    results = [bench.wait_for(lambda each=each: fresh_result(bench, each)) for each in body.parent.results]
    assert results == [2, 6]
    assert (bench.fresh(body).state, bench.ran()["total"]) == ("FAILURE", 0)
    bench.app.signature("total").set(task_id=body.id).apply_async(args=(results,))
    bench.comes(body, 8)


def fresh_result(bench: Bench, of: AsyncResult) -> object:
    """Give the result that the backend has of a task that ended well; None of any other."""
    now = bench.fresh(of)
    return now.result if now.state == "SUCCESS" else None


def test_a_member_that_is_redriven_before_the_others_have_returned(
    bench: Bench, request: pytest.FixtureRequest
) -> None:
    """With a database the body runs after all, once; with Redis it fails, as the canvas says."""
    body = chord([bench.task("waits", 1), bench.task("flaky", 2)], app=bench.app)(bench.task("total"))
    bench.redrive(bench.failed())
    (bench.folder / "gate").touch()
    if "sqlite" in request.node.name:
        bench.comes(body, 4)
        assert bench.ran()["total"] == 1
    else:
        bench.wait_for(lambda: bench.fresh(body).state == "FAILURE" or None)
        assert bench.ran()["total"] == 0


def test_a_member_that_a_cold_shutdown_cut_off_is_no_failed_one(bench: Bench) -> None:
    """Nobody told the backend of an end, so the chord waits, as the canvas says: the redrive completes it."""
    body = chord([bench.task("double", 1), bench.task("waits", 5)], app=bench.app)(bench.task("total"))
    bench.wait_for(lambda: bench.ran()["waits"] or None)
    bench.wait_for(lambda: fresh_result(bench, body.parent.results[0]))
    bench.end(signal.SIGQUIT)
    failure = bench.failed()
    canvas = canvas_of(failure)
    assert (canvas.chord, canvas.why_late) == (Chord("total", body.id), None)
    (bench.folder / "gate").touch()
    bench.start()
    bench.redrive(failure)
    bench.comes(body, 7)
    assert bench.ran()["total"] == 1
