"""Classification: one table from what is known of an exception to the kind of the failure and its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.classify import classify
from orchestrator.domain.failures import ExceptionFacts, Kind

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


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_what_the_dependency_answered_tells_the_kind(status: int, kind: Kind) -> None:
    """The status decides, and the reason names it."""
    verdict = classify(ExceptionFacts("builtins.ValueError", "boom", status=status))
    assert verdict.kind is kind
    assert str(status) in verdict.why


@pytest.mark.parametrize(("name", "kind"), BY_TYPE.items())
def test_without_an_answer_the_type_tells_the_kind(name: str, kind: Kind) -> None:
    """The exception's own name decides, whatever its module; the reason names it."""
    verdict = classify(ExceptionFacts(name, "boom"))
    assert verdict.kind is kind
    assert name.rpartition(".")[2] in verdict.why


@pytest.mark.parametrize("status", [100, 200, 302, 600])
def test_a_status_that_is_no_error_tells_nothing(status: int) -> None:
    """A status outside of 400 to 599 leaves the decision to the type."""
    assert classify(ExceptionFacts("builtins.MemoryError", "", status=status)).kind is Kind.RESOURCE


def test_what_lies_beneath_is_asked_as_well() -> None:
    """An exception that nobody knows is told by what caused it, and by that which says most about the way out."""
    wrapped = ExceptionFacts("acme.CallFailed", "", chain=("builtins.ValueError", "builtins.ConnectionRefusedError"))
    assert classify(wrapped).kind is Kind.DEPENDENCY_DOWN
    assert classify(ExceptionFacts("acme.CallFailed", "", chain=("acme.Other",))).kind is Kind.UNKNOWN


@given(st.text(), st.lists(st.text(), max_size=4), st.none() | st.integers())
def test_every_failure_has_a_kind_and_a_reason(name: str, chain: list[str], status: int | None) -> None:
    """Whatever an exception is called, classification answers."""
    verdict = classify(ExceptionFacts(name, "", chain=tuple(chain), status=status))
    assert verdict.kind in Kind
    assert verdict.why
