"""How a failure stands after each of its reports: who knows more, what brings a message, what is another run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from orchestrator.domain.classify import classify
from orchestrator.domain.failures import Declaration, Failure, FailureState, Kind, Way
from orchestrator.domain.standing import Report, begins_anew, merged, moved, opened_again, taken_in
from tests.recovery import NOON, failure, incident, message

HOME = incident()
LATER = NOON + timedelta(seconds=90)


def report(told: Failure, refusal: str | None = None, *, in_flight: bool = False) -> Report:
    """Make of a failure what the ledger goes by."""
    verdict = classify(told.captured, told.exception, told.declaration.never)
    return Report(told, {}, verdict, told.declaration.idempotent, refusal, LATER, in_flight)


def told(seconds: float = 0, **changes: Any) -> Failure:
    """Make a report of the run of t0 that began some seconds after noon."""
    return failure(0, **{"started_at": NOON + timedelta(seconds=seconds), **changes})


@pytest.mark.parametrize(
    ("first", "then", "known"),
    [
        (Way.ORPHANED, Way.WORKER_KILLED, Way.WORKER_KILLED),
        (Way.WORKER_KILLED, Way.CHILD_KILLED, Way.CHILD_KILLED),
        (Way.CHILD_KILLED, Way.COLD_SHUTDOWN, Way.COLD_SHUTDOWN),
        (Way.COLD_SHUTDOWN, Way.MEMORY_ERROR, Way.MEMORY_ERROR),
        (Way.CHILD_KILLED, Way.EXCEPTION, Way.EXCEPTION),
        (Way.ORPHANED, Way.SYSTEM_EXIT, Way.SYSTEM_EXIT),
        (Way.WORKER_KILLED, Way.TIME_LIMIT, Way.TIME_LIMIT),
        (Way.EXCEPTION, Way.DELIVERY_LIMIT, Way.DELIVERY_LIMIT),
        (Way.CHILD_KILLED, Way.DELIVERY_LIMIT, Way.DELIVERY_LIMIT),
    ],
)
def test_who_knows_more_goes_before_who_knows_less(first: Way, then: Way, known: Way) -> None:
    """In whatever order two reports of a run come, its way and kind are what the better one says; both are evidence."""
    for one, other in permutations((first, then)):
        stored = merged(taken_in(report(told(captured=one)), HOME.id, None), report(told(captured=other)))
        assert stored.failure.captured is known
        assert stored.kind is classify(known, failure().exception).kind
        assert (stored.reports, stored.ways, stored.last_seen_at) == (2, (one, other), LATER)


def test_of_equals_the_later_run_is_believed() -> None:
    """A run that began later and knows why goes before; of one run the first report stands, and a loss never does."""
    first = taken_in(report(told(captured=Way.EXCEPTION)), HOME.id, None)
    assert merged(first, report(told(captured=Way.TIME_LIMIT))).failure.captured is Way.EXCEPTION
    assert merged(first, report(told(5, captured=Way.TIME_LIMIT))).failure.captured is Way.TIME_LIMIT
    assert merged(first, report(told(5, captured=Way.CHILD_KILLED))).failure.captured is Way.EXCEPTION


def test_a_report_without_a_declaration_takes_none_away() -> None:
    """Whoever knows more of the way may know nothing of the task's declaration: what was declared holds."""
    first = taken_in(report(told(captured=Way.ORPHANED)), HOME.id, None)
    later = merged(first, report(told(captured=Way.DELIVERY_LIMIT, declaration=Declaration())))
    assert (later.failure.declaration, later.idempotent) == (failure().declaration, True)
    bare = taken_in(report(told(captured=Way.ORPHANED, declaration=Declaration())), HOME.id, None)
    assert not bare.idempotent
    assert merged(bare, report(told())).idempotent


def test_a_message_that_was_missing_is_filled_in() -> None:
    """The first report that has it brings it: what was dead for the want of it is held; one that is known stays."""
    missing = told(captured=Way.CHILD_KILLED, message=message(body=b"", headers={}, missing=True))
    dead = taken_in(report(missing, "its message is not known"), HOME.id, None)
    assert (dead.state, dead.reason, dead.closed_at) == (FailureState.DEAD, "its message is not known", LATER)
    found = merged(dead, report(told(captured=Way.WORKER_KILLED)))
    assert (found.failure.message, found.failure.captured) == (message(), Way.CHILD_KILLED)
    assert (found.state, found.reason, found.closed_at, found.reports) == (FailureState.HELD, None, None, 2)
    assert merged(found, report(missing)).failure.message == message()
    assert merged(dead, report(told(), "redacted")).state is FailureState.DEAD


def test_only_a_run_that_began_after_the_close_is_another() -> None:
    """A late report of the run that failed reopens nothing; nothing reopens what is open."""
    closed = moved(taken_in(report(told()), HOME.id, None), FailureState.RECOVERED, NOON + timedelta(seconds=30))
    assert not begins_anew(closed, told(0))
    assert not begins_anew(closed, told(30))
    assert begins_anew(closed, told(31))
    assert begins_anew(closed, told(started_at=None, occurred_at=NOON + timedelta(seconds=31)))
    assert not begins_anew(replace(closed, began_at=NOON + timedelta(seconds=40)), told(31))
    assert not begins_anew(moved(closed, FailureState.HELD, LATER), told(31))


def test_opened_again_it_is_new_but_for_its_history() -> None:
    """Attempt numbers go on, tries begin at none; what the new run brought replaces what the old one had."""
    closed = replace(
        moved(taken_in(report(told()), HOME.id, None), FailureState.DEAD, NOON, "so"),
        attempts=3,
        command_release_id=None,
    )
    again = opened_again(closed, report(told(60, captured=Way.TIME_LIMIT)), HOME.id, None)
    assert (again.attempts, again.attempts_before, again.tries, again.openings) == (3, 3, 0, 2)
    assert (again.state, again.reason, again.closed_at) == (FailureState.HELD, None, None)
    assert (again.kind, again.counted_as, again.reports) == (Kind.RESOURCE, Kind.RESOURCE, 2)
    assert again.ways == (Way.EXCEPTION, Way.TIME_LIMIT)


def test_what_is_being_redriven_is_not_moved_by_a_report() -> None:
    """While a redrive is under way its outcome decides, whatever else is heard of the failure."""
    released = moved(taken_in(report(told()), HOME.id, None), FailureState.RELEASED, NOON)
    for other in (told(60, redelivery=True), told(60), told(60, captured=Way.CHILD_KILLED)):
        assert merged(released, report(other, in_flight=True)).state is FailureState.RELEASED
