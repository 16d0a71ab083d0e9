"""Classification: one table from what is known of an exception to the kind of the failure and its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.classify import classify
from orchestrator.domain.failures import ExceptionFacts, Kind, Way

BY_STATUS = {
    429: Kind.RATE_LIMITED,
    408: Kind.TRANSIENT,
    500: Kind.TRANSIENT,
    502: Kind.TRANSIENT,
    503: Kind.TRANSIENT,
    504: Kind.TRANSIENT,
    529: Kind.TRANSIENT,
    400: Kind.PERMANENT,
    401: Kind.PERMANENT,
    404: Kind.PERMANENT,
    422: Kind.PERMANENT,
}
BY_TYPE = {
    "builtins.ConnectionResetError": Kind.TRANSIENT,
    "builtins.TimeoutError": Kind.TRANSIENT,
    "requests.exceptions.ReadTimeout": Kind.TRANSIENT,
    "psycopg.errors.DeadlockDetected": Kind.TRANSIENT,
    "builtins.ConnectionRefusedError": Kind.DEPENDENCY_DOWN,
    "urllib3.exceptions.NewConnectionError": Kind.DEPENDENCY_DOWN,
    "builtins.MemoryError": Kind.RESOURCE,
    "billiard.exceptions.TimeLimitExceeded": Kind.RESOURCE,
    "celery.exceptions.SoftTimeLimitExceeded": Kind.RESOURCE,
    "billiard.exceptions.WorkerLostError": Kind.WORKER_LOST,
    "billiard.exceptions.Terminated": Kind.WORKER_LOST,
    "kombu.exceptions.ContentDisallowed": Kind.POISON,
    "kombu.exceptions.DecodeError": Kind.POISON,
    "builtins.ValueError": Kind.PERMANENT,
    "builtins.ZeroDivisionError": Kind.PERMANENT,
    "builtins.UnicodeDecodeError": Kind.PERMANENT,
    "acme.errors.Odd": Kind.UNKNOWN,
    "ValueError": Kind.PERMANENT,
    "acme.NotAValueError": Kind.UNKNOWN,
}
BY_WAY = {
    Way.CHILD_KILLED: Kind.WORKER_LOST,
    Way.WORKER_KILLED: Kind.WORKER_LOST,
    Way.ORPHANED: Kind.WORKER_LOST,
    Way.SYSTEM_EXIT: Kind.WORKER_LOST,
    Way.COLD_SHUTDOWN: Kind.WORKER_LOST,
    Way.TIME_LIMIT: Kind.RESOURCE,
    Way.MEMORY_ERROR: Kind.RESOURCE,
    Way.UNKNOWN_TASK: Kind.PERMANENT,
    Way.EXPIRED: Kind.PERMANENT,
    Way.REFUSED: Kind.POISON,
    Way.UNDECODABLE: Kind.POISON,
    Way.DELIVERY_LIMIT: Kind.POISON,
}


def test_the_way_tells_the_kind_before_status_and_type() -> None:
    """Each way but a plain exception has one kind, whatever the exception says beside it, and a reason."""
    assert BY_WAY.keys() == set(Way) - {Way.EXCEPTION}
    for way, kind in BY_WAY.items():
        verdict = classify(way, ExceptionFacts("builtins.ValueError", "boom", status=429))
        assert (verdict.kind, bool(verdict.why)) == (kind, True)


def test_a_type_that_is_declared_never_to_be_redriven_is_permanent() -> None:
    """The declaration goes before way and status, names the type in the reason, and means this very type."""
    facts = ExceptionFacts("acme.errors.Odd", "boom", status=503)
    for way in Way:
        verdict = classify(way, facts, ["acme.errors.Odd"])
        assert (verdict.kind, "acme.errors.Odd" in verdict.why) == (Kind.PERMANENT, True)
    assert classify(Way.EXCEPTION, facts, ["errors.Odd", "Odd"]).kind is Kind.TRANSIENT


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_what_the_dependency_answered_tells_the_kind(status: int, kind: Kind) -> None:
    """The status decides, and the reason names it."""
    verdict = classify(Way.EXCEPTION, ExceptionFacts("builtins.ValueError", "boom", status=status))
    assert verdict.kind is kind
    assert str(status) in verdict.why


@pytest.mark.parametrize(("name", "kind"), BY_TYPE.items())
def test_without_an_answer_the_type_tells_the_kind(name: str, kind: Kind) -> None:
    """The exception's own name decides, whatever its module; the reason names it."""
    verdict = classify(Way.EXCEPTION, ExceptionFacts(name, "boom"))
    assert verdict.kind is kind
    assert name.rpartition(".")[2] in verdict.why


@pytest.mark.parametrize("status", [100, 200, 302, 600])
def test_a_status_that_is_no_error_tells_nothing(status: int) -> None:
    """A status outside of 400 to 599 leaves the decision to the type."""
    assert classify(Way.EXCEPTION, ExceptionFacts("builtins.MemoryError", "", status=status)).kind is Kind.RESOURCE


def test_what_lies_beneath_is_asked_as_well() -> None:
    """An exception that nobody knows is told by what caused it, and by that which says most about the way out."""
    wrapped = ExceptionFacts("acme.CallFailed", "", chain=("builtins.ValueError", "builtins.ConnectionRefusedError"))
    assert classify(Way.EXCEPTION, wrapped).kind is Kind.DEPENDENCY_DOWN
    assert classify(Way.EXCEPTION, ExceptionFacts("acme.CallFailed", "", chain=("acme.Other",))).kind is Kind.UNKNOWN


@given(st.text(), st.lists(st.text(), max_size=4), st.none() | st.integers())
def test_every_failure_has_a_kind_and_a_reason(name: str, chain: list[str], status: int | None) -> None:
    """Whatever an exception is called, classification answers."""
    verdict = classify(Way.EXCEPTION, ExceptionFacts(name, "", chain=tuple(chain), status=status))
    assert verdict.kind in Kind
    assert verdict.why


@pytest.mark.parametrize(
    ("message", "kind", "told"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 0.", Kind.WORKER_LOST, "SIGKILL"),
        ("Worker exited prematurely: signal 11 (SIGSEGV) Job: 0.", Kind.WORKER_LOST, "SIGSEGV"),
        ("Worker exited prematurely: signal 24 (SIGXCPU) Job: 0.", Kind.RESOURCE, "SIGXCPU"),
        ("Worker exited prematurely: exitcode 137 Job: 3.", Kind.WORKER_LOST, "SIGKILL"),
        ("Worker exited prematurely: exitcode -15 Job: 3.", Kind.WORKER_LOST, "SIGTERM"),
        ("Worker exited prematurely: exitcode 155 Job: 3.", Kind.WORKER_LOST, "killed while it ran"),
        ("Worker exited prematurely: exitcode 1 Job: 3.", Kind.WORKER_LOST, "killed while it ran"),
    ],
)
def test_the_signal_that_ended_a_child_is_told(message: str, kind: Kind, told: str) -> None:
    """The number in WorkerLostError's message (billiard 4.3) names the signal; an unknown one is a plain loss."""
    verdict = classify(Way.CHILD_KILLED, ExceptionFacts("billiard.exceptions.WorkerLostError", message))
    assert (verdict.kind, told in verdict.why) == (kind, True)
