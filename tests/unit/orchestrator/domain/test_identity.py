"""Ids are made of what they name, so that a step that is repeated makes the same row; lanes are chosen by the type."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from eventbus.wire import ATTEMPT_ENDED, INCIDENT_CLOSED, LLM_CALL, TASK_FAILED, TASK_OUTCOMES
from orchestrator.domain.events import Lane, row_key
from orchestrator.domain.ids import derive
from orchestrator.domain.routing import lane_of


def test_the_same_parts_give_the_same_id() -> None:
    """Equal parts in the same order are one id, anything else is another."""
    assert derive("attempt", 1, "a") == derive("attempt", "1", "a")
    assert len({derive("a", "b"), derive("b", "a"), derive("a"), derive("a", "b", "c")}) == 4
    assert derive("a").version == 5


def test_an_event_is_filed_under_its_own_uuid_or_one_of_source_and_id() -> None:
    """A UUID is its own key; another id is unique with its source."""
    own = uuid4()
    assert row_key("urn:a", str(own)) == own
    assert row_key("urn:a", "7") == row_key("urn:a", "7")
    assert row_key("urn:a", "7") != row_key("urn:b", "7")
    assert isinstance(row_key("urn:a", ""), UUID)


@pytest.mark.parametrize(
    ("event_type", "lane"),
    [
        (TASK_FAILED, Lane.PRIORITY),
        (ATTEMPT_ENDED, Lane.PRIORITY),
        (LLM_CALL, Lane.PRIORITY),
        (INCIDENT_CLOSED, Lane.PRIORITY),
        ("redrive.governance.recorded.v1", Lane.PRIORITY),
        (TASK_OUTCOMES, Lane.TELEMETRY),
        ("redrive.span.ended.v1", Lane.TELEMETRY),
        ("acme.thing.happened.v1", Lane.TELEMETRY),
    ],
)
def test_what_is_acted_on_or_paid_for_goes_first(event_type: str, lane: Lane) -> None:
    """Failures, attempts, incidents, costs and governance have the lane that waits behind nothing else."""
    assert lane_of(event_type) is lane
