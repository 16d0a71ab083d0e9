"""A run is told to an orchestrator as one event, whose data is what the schema says, and a refusal is no crash."""

from __future__ import annotations

import jsonschema_rs
import orjson
import pytest

from eventbus.wire import LOADTEST_COMPLETED, schema_text
from loadtests.history.telling import event_of, send
from tests.loadtest_reports import figure, report
from tests.receiver import receiver

GATE = {
    "figure": "events_lost",
    "met": None,
    "value": None,
    "rule": "equals",
    "limit": 0.0,
    "why": "none came",
    "unit": "",
}


def whole() -> dict[str, object]:
    """Make a report that has everything."""
    verdict = {"outcome": "not_measured", "exit_code": 1, "gates": [GATE]}
    return report(
        verdict=verdict,
        figures=[figure("api_p50_ms", 8.0, low=7.0, high=9.0), figure("events_lost", None, why_not="none came")],
        trend={"slower": ["api_p50_ms"]},
        problems=["the provider was not there"],
    )


def test_the_event_is_what_its_schema_says() -> None:
    """With a whole report and with one of a checkout that nobody knows; nothing of the series is in it."""
    validator = jsonschema_rs.validator_for(orjson.loads(schema_text(LOADTEST_COMPLETED)), validate_formats=True)
    for document in (whole(), report(commit=None, dirty=None, settings={})):
        validator.validate(dict(event_of(document).data))
    data = event_of(whole(), "http://127.0.0.1:1/report.html").data
    assert list(data["gates"]) == [{name: GATE[name] for name in GATE if name != "unit"}]
    assert data["figures"]["events_lost"]["why_not"] == "none came"
    assert (data["slower"], data["problems"]) == (["api_p50_ms"], ["the provider was not there"])
    assert data["report_url"] == "http://127.0.0.1:1/report.html"
    assert "series" not in data


def test_a_run_is_one_event_however_often_it_is_made() -> None:
    """The id is the run's alone."""
    assert event_of(whole()).id == event_of(whole() | {"trend": {}}).id != event_of(report(1)).id


@pytest.mark.parametrize(("status", "accepted"), [(202, True), (200, True), (401, False), (503, False), (302, False)])
def test_an_answer_is_told(status: int, *, accepted: bool) -> None:
    """Accepted, or there already, is accepted; else it says what was answered. The token goes with it."""
    with receiver() as server:
        server.reply = lambda _: status
        told = send(whole(), server.url.removesuffix("/in") + "/", "secret")
    assert (told.accepted, told.why is None) == (accepted, accepted)
    assert accepted or f"got {status}: so" in str(told.why)
    assert server.asked[0]["authorization"] == "Bearer secret"
    assert [each["id"] for each in server.posts[0]] == [told.event_id]


def test_nobody_there_is_told() -> None:
    """No exception: a run is not worth less because nobody heard of it."""
    told = send(report(), "http://127.0.0.1:9")
    assert not told.accepted
    assert "expected an answer of http://127.0.0.1:9/v1/events" in str(told.why)
