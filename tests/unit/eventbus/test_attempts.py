"""Attempts: the header is read with care, and the stored end of an attempt stops a second run of it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from celery import Celery

from eventbus import attempts
from eventbus.wire import ATTEMPT_HEADER

if TYPE_CHECKING:
    from celery.backends.base import Backend

ATTEMPT = "1b76fc9e-6ebf-4ed4-a3fc-531ea0090cef"


def backend(url: str) -> Backend:
    """Make a result backend."""
    return Celery("attempts", backend=url, set_as_current=False).backend


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({ATTEMPT_HEADER: ATTEMPT}, ATTEMPT),
        ({ATTEMPT_HEADER: ATTEMPT.upper()}, ATTEMPT),
        ({"other": 1}, None),
        ({}, None),
        (None, None),
        ({ATTEMPT_HEADER: "no uuid"}, None),
        ({ATTEMPT_HEADER: None}, None),
        ({ATTEMPT_HEADER: 7}, None),
    ],
)
def test_an_attempt_is_a_uuid_in_the_header(headers: dict[str, Any] | None, attempt: str | None) -> None:
    """Whatever else stands there counts as an ordinary run."""
    assert attempts.attempt_of(headers) == attempt


def test_the_end_of_an_attempt_is_found_again() -> None:
    """What was stored is given back; an attempt that has not ended has no outcome."""
    stored = backend("cache+memory://")
    attempts.store_outcome(stored, ATTEMPT, "succeeded")
    assert attempts.stored_outcome(stored, ATTEMPT) == "succeeded"
    assert attempts.stored_outcome(stored, str(uuid4())) is None


@pytest.mark.parametrize("url", ["rpc://", "disabled://"])
def test_a_backend_that_keeps_nothing_lets_the_task_run(url: str) -> None:
    """Without a stored outcome nobody can tell, and the task runs."""
    broken = backend(url)
    attempts.store_outcome(broken, ATTEMPT, "succeeded")
    assert attempts.stored_outcome(broken, ATTEMPT) is None


def test_a_backend_that_breaks_lets_the_task_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that can't be reached is said in the log; neither the end nor the start of a run fails for it."""
    broken = backend("cache+memory://")

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no backend")

    monkeypatch.setattr(broken, "store_result", refuse)
    monkeypatch.setattr(broken, "get_task_meta", refuse)
    attempts.store_outcome(broken, ATTEMPT, "succeeded")
    assert attempts.stored_outcome(broken, ATTEMPT) is None


def test_a_task_that_returns_something_else_under_that_id_has_not_ended_an_attempt() -> None:
    """A result that is no stored outcome is none."""
    other = backend("cache+memory://")
    task_id = str(uuid4())
    other.store_result(task_id, "a result", "SUCCESS")
    assert attempts.stored_outcome(other, task_id) is None
