"""The crash run's verdict, on what is given: each way of losing, doubling or miscounting an event is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eventbus.wire import LLM_CALL, SPAN_ENDED
from loadtests.crash.figures import described, report_of
from loadtests.crash.playing import Played

GOOD = Played(
    accepted={"a": LLM_CALL, "b": SPAN_ENDED},
    by_way={"bus": 2},
    rows={"event_logs": ["a", "b"], "model_cost_logs": ["a"], "governance_events": []},
    delivered={"a": 1, "b": 3},
    sinks={"warehouse": {"adds_up": True}},
    fired=["cursor_moved", "cursor_moved"],
    unfired=[],
    kills=2,
    replays=0,
    seconds=1.0,
)


def test_deliveries_under_the_same_id_are_counted_and_allowed() -> None:
    """Two deliveries too many of one event are duplicates, and miss nothing."""
    report = report_of(GOOD, "sqlite", 1, 0.0)
    assert (report.missed, report.gateway_duplicates, report.kills_at) == ([], 2, {"cursor_moved": 2})
    assert described(report).endswith(": met")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rows": {**GOOD.rows, "event_logs": ["a"]}}, "1 accepted events have no row"),
        ({"rows": {**GOOD.rows, "model_cost_logs": []}}, "1 accepted events have no row"),
        ({"rows": {**GOOD.rows, "event_logs": ["a", "b", "b"]}}, "1 rows are there twice"),
        ({"delivered": {"a": 1}}, "1 accepted events never came to the gateway"),
        ({"delivered": {"a": 1, "b": 1, "c": 1}}, "1 ids are in one of the two sinks only"),
        ({"sinks": {"warehouse": {"adds_up": False}}}, "counts that do not add up"),
        ({"unfired": ["cursor_moving"]}, "places never come by: cursor_moving"),
        ({"accepted": {}}, "nothing was accepted"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, object], told: str) -> None:
    """Every fault that a run can show makes the target missed, in words."""
    report = report_of(replace(GOOD, **wrong), "sqlite", 1, 0.0)
    assert any(each.startswith(told) for each in report.missed)
    assert "MISSED" in described(report)
