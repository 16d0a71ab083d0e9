"""What an event's record says beside its bytes: whose it is, in which trace, and whether something failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eventbus.wire import ATTEMPT_ENDED, LLM_CALL, SPAN_ENDED, TASK_FAILED, TASK_OUTCOMES
from orchestrator.domain.events import Lane
from orchestrator.flows.filing import record_of
from tests.events import CALL, event

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.mark.parametrize(("given", "kept"), [("acme", "acme"), (None, None), ("", None), (7, None), ({"a": 1}, None)])
def test_an_organisation_is_kept_where_it_is_text(given: object, kept: str | None) -> None:
    """What is no name of an organisation counts as none: it must not keep an event out of the log."""
    assert record_of(event(LLM_CALL, CALL | {"organization_id": given})).organization == kept
    assert record_of(event(TASK_OUTCOMES, {})).organization is None


@pytest.mark.parametrize(
    ("data", "extensions", "trace"),
    [
        ({"trace_id": TRACE}, {}, TRACE),
        ({}, {"traceparent": PARENT}, TRACE),
        ({"trace_id": "1" * 32}, {"traceparent": PARENT}, "1" * 32),
        ({"trace_id": "much longer than the column of the log that holds it"}, {"traceparent": PARENT}, TRACE),
        ({"trace_id": 5}, {"traceparent": "nonsense"}, None),
        ({}, {"traceparent": 5}, None),
        ({}, {}, None),
    ],
)
def test_a_trace_is_the_events_own_or_its_parents(
    data: dict[str, Any], extensions: dict[str, str], trace: str | None
) -> None:
    """A span names its trace; other events carry `traceparent`; what is malformed counts as no trace."""
    assert record_of(replace(event(SPAN_ENDED, data), extensions=extensions)).trace == trace


@pytest.mark.parametrize(
    ("event_type", "data", "failed"),
    [
        (TASK_FAILED, {}, True),
        (SPAN_ENDED, {"status": "error"}, True),
        (SPAN_ENDED, {"status": "ok"}, False),
        (LLM_CALL, {"error": "builtins.TimeoutError"}, True),
        (LLM_CALL, {"error": None}, False),
        (ATTEMPT_ENDED, {"outcome": "failed"}, True),
        (ATTEMPT_ENDED, {"outcome": "succeeded"}, False),
        (TASK_OUTCOMES, {"status": "error", "error": "x", "outcome": "failed"}, False),
    ],
)
def test_what_tells_of_a_failure_is_marked(event_type: str, data: dict[str, Any], failed: bool) -> None:
    """A failed task, try, span or model call marks its trace as one that sampling keeps whole."""
    assert record_of(event(event_type, data)).failed is failed


def test_a_record_has_the_events_key_and_lane() -> None:
    """Model calls are priority; an id that is a UUID is the key."""
    made = event()
    assert (str(record_of(made).key), record_of(made).lane) == (made.id, Lane.PRIORITY)
