"""The 14 ways in which a task can end badly: each is captured exactly once, by its name, with the whole message.

What a test looks at was played before (stage.py): a worker in which it happened, and a later one of the same name in
which all was mended, and which took the redrives. Both were stopped before anything was counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import FailureState
from tests.integration.capture.cases import ONLY_RABBITMQ, ROWS, End
from tests.integration.capture.messages import assert_whole
from tests.integration.capture.theatre import BUSES, NEWEST, OLDER, Cell, Theatre

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.capture.stage import Seen

pytestmark = pytest.mark.timeout(1200)
Test = TypeVar("Test", bound="Callable[..., None]")
# A run may be told of by its child, by the worker's main process and by the journal; more is a flood.
TELLERS = 3


def way(number: int, *, quick: str) -> Callable[[Test], Test]:
    """Run a test on every bus and version; by default on one bus alone, with the Celery of this environment."""
    row = next(each for each in ROWS if each.number == number)
    buses = [bus for bus in BUSES if bus == "rabbitmq" or number not in ONLY_RABBITMQ]
    cells = [Cell(bus, version) for version in (NEWEST, OLDER) for bus in buses]
    whole = [pytest.param(cell, id=f"{cell.bus}-{cell.version}", marks=pytest.mark.slow) for cell in cells]

    def marked(test: Test) -> Test:
        test.row = row  # type: ignore[attr-defined]  # read by the fixture `theatre`
        return pytest.mark.parametrize("cell", [pytest.param(Cell(quick), id=f"quick-{quick}"), *whole])(test)

    return marked


def captured_once(seen: Seen) -> None:
    """Hold a case to what is true of all: one failure, the right way and kind, the whole message, no flood."""
    case = seen.case
    assert [each.failure.id for each in seen.failures] == [seen.sent.failure_id]
    assert seen.strangers == []
    (stored,) = seen.failures
    assert (stored.failure.captured, stored.kind) == (case.way, case.kind)
    assert stored.failure.task == case.task
    assert_whole(seen.sent, stored.failure.message)
    # A call with wrong arguments ends before its task's code could count it: the redrive is counted by its attempt.
    deliveries = max(len(seen.runs), 1 + len(seen.attempts))
    assert 1 <= len(seen.events) <= TELLERS * deliveries
    _ENDS[case.end](seen, stored.state)


def _redriven(seen: Seen, state: FailureState) -> None:
    assert seen.first is not None
    assert (seen.first.state, seen.refusal) == (FailureState.HELD, "")
    assert [attempt.state for attempt in seen.attempts] == [AttemptState.SUCCEEDED]
    assert seen.runs[-1][3] == str(seen.attempts[0].id)
    assert state is FailureState.RECOVERED


def _redelivered(seen: Seen, state: FailureState) -> None:
    assert seen.first is not None
    assert seen.first.state is FailureState.REDELIVERY_PENDING
    assert "whose message it still holds" in seen.refusal
    assert seen.attempts == []
    assert state is FailureState.RECOVERED


def _fails_again(seen: Seen, state: FailureState) -> None:
    assert [attempt.state for attempt in seen.attempts] == [AttemptState.FAILED]
    assert state in {FailureState.HELD, FailureState.DEAD}


def _refused(seen: Seen, state: FailureState) -> None:
    assert "expired" in seen.refusal
    assert seen.attempts == []
    assert seen.runs == []
    assert state is FailureState.DEAD


_ENDS = {End.REDRIVEN: _redriven, End.REDELIVERED: _redelivered, End.FAILS_AGAIN: _fails_again, End.REFUSED: _refused}


def unharmed(seen: Seen) -> None:
    """Hold a task that came to its end: it ran once, and nobody says that it failed."""
    assert (seen.failures, seen.events, len(seen.runs)) == ([], [], 1)


@way(1, quick="rabbitmq")
def test_capture_exception(theatre: Theatre, cell: Cell) -> None:
    """A raised exception is captured and its redrive succeeds; wrong arguments are too, and fail when redriven."""
    captured_once(theatre.look(cell, "exception"))
    captured_once(theatre.look(cell, "wrong_arguments"))


@way(2, quick="redis")
def test_capture_killed_child(theatre: Theatre, cell: Cell) -> None:
    """A killed pool child is a lost worker, whether the message was acknowledged before or is after the run."""
    captured_once(theatre.look(cell, "child_killed"))
    captured_once(theatre.look(cell, "child_killed_late"))


@way(3, quick="rabbitmq")
def test_capture_killed_child_whose_message_returns(theatre: Theatre, cell: Cell) -> None:
    """Two killed runs of a message that the broker brings again are one failure, which the third run closes."""
    seen = theatre.look(cell, "reject_on_worker_lost")
    captured_once(seen)
    assert len(seen.runs) == 3


@way(4, quick="sqlite")
def test_capture_system_exit(theatre: Theatre, cell: Cell) -> None:
    """A task that leaves its process is a lost worker."""
    captured_once(theatre.look(cell, "system_exit"))


@way(5, quick="redis")
def test_capture_hard_time_limit(theatre: Theatre, cell: Cell) -> None:
    """A task that is killed for its time is captured once, though Celery 5.7 tells of it twice."""
    captured_once(theatre.look(cell, "time_limit"))


@way(6, quick="redis")
def test_capture_memory_error(theatre: Theatre, cell: Cell) -> None:
    """A MemoryError takes the whole worker along: it is captured, and what ran beside it unless that finished."""
    captured_once(theatre.look(cell, "memory_error"))
    captured_once(theatre.look(cell, "memory_sibling"))
    unharmed(theatre.look(cell, "memory_sibling_finishes"))


@way(7, quick="rabbitmq")
def test_capture_unknown_task(theatre: Theatre, cell: Cell) -> None:
    """A task that the worker does not know is captured; its redrive succeeds once a worker does."""
    captured_once(theatre.look(cell, "unknown_task"))


@way(8, quick="sqlite")
def test_capture_refused_message(theatre: Theatre, cell: Cell) -> None:
    """A content type that is refused runs once it is accepted; a message that names no task can run nowhere."""
    captured_once(theatre.look(cell, "refused_type"))
    captured_once(theatre.look(cell, "no_headers"))


@way(9, quick="sqlite")
def test_capture_undecodable_body(theatre: Theatre, cell: Cell) -> None:
    """A body that cannot be decoded is kept whole, and cannot be decoded the next time."""
    captured_once(theatre.look(cell, "undecodable"))


@way(10, quick="sqlite")
def test_capture_expired(theatre: Theatre, cell: Cell) -> None:
    """An expired task is a failure that nobody redrives, for a worker would drop it; a revoked one is none."""
    captured_once(theatre.look(cell, "expired"))
    revoked = theatre.look(cell, "revoked")
    assert (revoked.failures, revoked.events, revoked.runs) == ([], [], [])


@way(11, quick="sqlite")
def test_capture_killed_worker(theatre: Theatre, cell: Cell) -> None:
    """The next worker of that name tells what was in flight; a child that lived on and finished has not failed."""
    captured_once(theatre.look(cell, "worker_killed"))
    unharmed(theatre.look(cell, "killed_child_finishes"))


@way(12, quick="sqlite")
def test_capture_killed_worker_whose_message_returns(theatre: Theatre, cell: Cell) -> None:
    """A message that the broker still holds is never redriven: the run that it brings closes the failure."""
    captured_once(theatre.look(cell, "worker_killed_late"))


@way(13, quick="sqlite")
def test_capture_cold_shutdown(theatre: Theatre, cell: Cell) -> None:
    """A task that a cold shutdown cuts off is captured."""
    captured_once(theatre.look(cell, "cold_shutdown"))


@way(14, quick="rabbitmq")
def test_capture_delivery_limit(theatre: Theatre, cell: Cell) -> None:
    """A message that a quorum queue gives up on, having brought it too often, is captured and kept."""
    captured_once(theatre.look(cell, "delivery_limit"))
