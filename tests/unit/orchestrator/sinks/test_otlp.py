"""The OTLP sink, and a collector that parses what it is sent with OpenTelemetry's own classes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from structlog.testing import capture_logs

from eventbus.wire import (
    ATTEMPT_ENDED,
    ATTEMPT_RECORDED,
    INCIDENT_CLOSED,
    INCIDENT_OPENED,
    LLM_CALL,
    SPAN_ENDED,
    Event,
)
from orchestrator.domain.events import Deferred, Delivered, Outcome, Price, PricingStatus, Rejected
from orchestrator.domain.traces import SpanContext, attempt_context, incident_context, span_id
from orchestrator.sinks.otlp import OtlpSink
from tests.collector import collector
from tests.events import CALL, NOON, event, record, stored
from tests.recovery import failed_event

if TYPE_CHECKING:
    from tests.collector import Collector, SeenSpan

CALLER = SpanContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
INCIDENT, ATTEMPT = uuid4(), uuid4()
PLACE = incident_context(INCIDENT, CALLER)
STORY = {
    "incident_id": str(INCIDENT),
    "kind": "transient",
    "task": "app.call",
    "size": 1,
    "state": "open",
    "reason": "503",
}


def sink(server: Collector, **headers: str) -> OtlpSink:
    """Make a sink that sends to a test's collector."""
    return OtlpSink(server.url, {"service.name": "redrive", "service.version": "1.2"}, headers, 5)


def told(event_type: str, place: SpanContext | None, **data: Any) -> Event:
    """Make an event that is in a trace."""
    return replace(event(event_type, data), extensions={"traceparent": place.traceparent} if place else {})


def sent(*events: Event) -> list[SeenSpan]:
    """Deliver events, and give the spans that arrived."""
    with collector() as server:
        assert sink(server).deliver(stored(*(record(each) for each in events))) == Delivered()
        return server.spans


def test_a_failure_is_an_error_in_the_trace_of_its_task() -> None:
    """The span is a child of the run's own, from its beginning to its end, with the exception's type and message."""
    failed = replace(failed_event(), extensions={"traceparent": CALLER.traceparent})
    (span,) = sent(failed)
    assert (span.trace_id, span.parent, span.status) == (CALLER.trace_id, CALLER.span_id, "error")
    assert span.attributes["redrive.failure_id"] == failed.data["failure_id"]
    assert span.attributes["error.type"] == failed.data["exception"]["type"]


def test_an_incident_is_a_span_from_its_opening_to_its_end() -> None:
    """It hangs under the run that failed first, and its steps under it."""
    began = (NOON - timedelta(hours=1)).isoformat()
    opened = told(INCIDENT_OPENED, PLACE, **STORY, opened_at=began, link=CALLER.traceparent)
    closed = told(INCIDENT_CLOSED, PLACE, **STORY, opened_at=began, link=CALLER.traceparent)
    step, whole = sent(opened, closed)
    assert (whole.trace_id, whole.span_id, whole.parent) == (CALLER.trace_id, PLACE.span_id, CALLER.span_id)
    assert whole.end - whole.start == 3600 * 10**9
    assert (step.parent, step.links) == (whole.span_id, ((CALLER.trace_id, CALLER.span_id),))


@pytest.mark.parametrize("leads", [True, False])
def test_a_redrive_links_to_the_run_that_failed(leads: bool) -> None:
    """The first failure's redrive is a child of the incident; any other is alone in its trace, with a link to both."""
    place = attempt_context(ATTEMPT, PLACE, leads=leads)
    failed = SpanContext("a" * 32, "b" * 16)
    story = {"attempt_id": str(ATTEMPT), "failure_id": "f", "task_id": "t", "incident_id": str(INCIDENT), "number": 1}
    links = {"link": failed.traceparent, "incident_traceparent": PLACE.traceparent}
    (span,) = sent(told(ATTEMPT_RECORDED, place, **story, **links, plan="retry"))
    assert span.span_id == span_id("attempt", ATTEMPT)
    assert span.trace_id == (PLACE.trace_id if leads else ATTEMPT.hex)
    assert span.parent == (PLACE.span_id if leads else "")
    linked = {(failed.trace_id, failed.span_id)} | (set() if leads else {(PLACE.trace_id, PLACE.span_id)})
    assert set(span.links) == linked


def test_the_end_of_a_redriven_run_hangs_under_what_started_it() -> None:
    """It lasts as long as the run did, and says how it ended."""
    place = attempt_context(ATTEMPT, PLACE, leads=True)
    story = {"attempt_id": str(ATTEMPT), "task_id": "t", "task": "app.call", "worker": "w"}
    (span,) = sent(told(ATTEMPT_ENDED, place, **story, outcome="failed", runtime_seconds=2.5))
    assert (span.parent, span.status) == (place.span_id, "error")
    assert span.end - span.start == 2_500_000_000


def test_a_span_of_user_code_arrives_as_it_was_told() -> None:
    """Its ids, its parent, its length and its error are those of the event."""
    story = {
        "name": "rerank", "trace_id": "a" * 32, "span_id": "b" * 16, "parent_span_id": "c" * 16,
        "started_at": NOON.isoformat(), "duration_seconds": 0.25, "status": "error", "error.type": "TimeoutError",
        "attributes": {"k": 3, "nested": {"left": "out"}},
    }  # fmt: skip
    (span,) = sent(told(SPAN_ENDED, None, **story))
    assert (span.name, span.trace_id, span.span_id, span.parent) == ("rerank", "a" * 32, "b" * 16, "c" * 16)
    assert (span.end - span.start, span.status, span.attributes) == (250_000_000, "error", {"k": "3"})


def test_what_is_in_no_trace_or_is_not_sampled_is_not_sent() -> None:
    """Such events are delivered without a span, and nothing is posted for them."""
    unsampled = replace(PLACE, sampled=False)
    with collector() as server:
        batch = stored(record(failed_event()), record(told(INCIDENT_OPENED, unsampled, **STORY)))
        assert sink(server).deliver(batch) == Delivered()
        assert server.posts == []


def test_the_resource_says_what_the_spans_are_of() -> None:
    """Service and version arrive with the spans, the collector's key as a header, at the path that OTLP names."""
    with collector() as server:
        sink(server, **{"x-key": "k"}).deliver(stored(record(told(INCIDENT_OPENED, PLACE, **STORY))))
        assert server.spans[0].resource == {"service.name": "redrive", "service.version": "1.2"}
        assert (server.asked[0]["path"], server.asked[0]["x-key"]) == ("/v1/traces", "k")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Outcome.CONFIG),
        (404, Outcome.CONFIG),
        (429, Outcome.THROTTLE),
        (500, Outcome.FAILURE),
        (503, Outcome.FAILURE),
    ],
)
def test_a_collector_that_does_not_take_it_now_gets_it_again(status: int, outcome: Outcome) -> None:
    """The batch is kept, with the wait that the collector asked for."""
    with collector() as server:
        server.status, server.headers = status, {"Retry-After": "7"}
        answer = sink(server).deliver(stored(record(told(INCIDENT_OPENED, PLACE, **STORY))))
        assert isinstance(answer, Deferred)
        assert str(status) in answer.reason
        assert answer.outcome is outcome
        assert answer.retry_after == 7


def test_a_collector_that_is_away_gets_it_later() -> None:
    """No answer defers the batch."""
    with collector() as server:
        away = sink(server)
    assert isinstance(away.deliver(stored(record(told(INCIDENT_OPENED, PLACE, **STORY)))), Deferred)


def test_an_event_that_no_span_can_be_made_of_is_rejected_alone() -> None:
    """The others of its batch arrive; the reason names the field."""
    with collector() as server:
        batch = stored(record(told(ATTEMPT_ENDED, PLACE)), record(told(INCIDENT_OPENED, PLACE, **STORY)))
        answer = sink(server).deliver(batch)
        assert isinstance(answer, Rejected)
        assert list(answer.refusals) == [batch[0].seq]
        assert "task" in answer.refusals[batch[0].seq].reason
        assert [span.name for span in server.spans] == ["incident opened"]


LEFT_OUT = ExportTraceServiceResponse(partial_success={"rejected_spans": 3, "error_message": "old"})


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("application/x-protobuf", LEFT_OUT.SerializeToString()),
        ("application/json", b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "old"}}'),
    ],
)
def test_spans_that_a_collector_leaves_out_are_told_and_not_sent_again(kind: str, says: bytes) -> None:
    """A partial success is a delivery, as the specification has it, and stands in the log with its reason."""
    with collector() as server, capture_logs() as logs:
        server.says, server.headers = says, {"Content-Type": kind}
        assert sink(server).deliver(stored(record(told(INCIDENT_OPENED, PLACE, **STORY)))) == Delivered()
        assert len(server.posts) == 1
    (line,) = logs
    assert (line["event"], line["sink"], line["spans"], line["reason"]) == ("spans.refused", "otlp", 3, "old")


@pytest.mark.parametrize("kind", ["application/x-protobuf", "application/json", "text/plain"])
@pytest.mark.parametrize("says", [b"", b"{}", b"[]", b"\xff\xff\xff", b'{"partialSuccess": {"rejectedSpans": "many"}}'])
def test_whatever_else_a_collector_says_is_a_delivery(kind: str, says: bytes) -> None:
    """The status decides; a body that nobody agreed on says nothing."""
    with collector() as server, capture_logs() as logs:
        server.says, server.headers = says, {"Content-Type": kind}
        assert sink(server).deliver(stored(record(told(INCIDENT_OPENED, PLACE, **STORY)))) == Delivered()
    assert logs == []


@pytest.mark.parametrize(
    ("path", "headers"),
    [("", {"signoz-ingestion-key": "k"}), ("/api/public/otel", {"Authorization": "Basic cGs6c2s="})],
)
def test_signoz_and_langfuse_get_their_path_and_header(path: str, headers: dict[str, str]) -> None:
    """The body is gzipped protobuf, at the path behind the one that is given, with the collector's own header."""
    with collector() as server:
        to = OtlpSink(f"{server.url}{path}/", {}, headers, 5)
        assert to.deliver(stored(record(told(INCIDENT_OPENED, PLACE, **STORY)))) == Delivered()
        (asked,) = server.asked
        wanted = {"path": f"{path}/v1/traces", "content-encoding": "gzip", "content-type": "application/x-protobuf"}
        assert {name: asked[name] for name in wanted} == wanted
        assert {name: asked[name.lower()] for name in headers} == headers
        assert len(server.spans) == 1


def test_a_model_call_is_a_span_with_its_tokens_and_its_cost() -> None:
    """It hangs under the span in which it was made, lasts as long as the call, and carries OpenTelemetry's names."""
    made = replace(event(LLM_CALL, CALL | {"user_id": "ann"}), extensions={"traceparent": CALLER.traceparent})
    with collector() as server:
        assert sink(server).deliver(stored(record(made), record(made))) == Delivered()
        span, again = server.spans
    assert (span.name, span.trace_id, span.parent) == ("chat gpt-4o", CALLER.trace_id, CALLER.span_id)
    assert span.span_id == again.span_id
    assert span.end - span.start == 1_500_000_000
    wanted = {
        "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": "100", "gen_ai.usage.output_tokens": "50",
        "gen_ai.usage.cost.amount": "0.00075", "user.id": "ann", "redrive.workflow_execution_id": "w-1",
    }  # fmt: skip
    assert {name: span.attributes.get(name) for name in wanted} == wanted


def test_a_model_call_that_failed_is_an_error_and_one_without_a_price_has_none() -> None:
    """The kind of its error is told; a model that nobody knows costs nothing that could be summed up."""
    made = replace(event(LLM_CALL, CALL | {"error": "timeout"}), extensions={"traceparent": CALLER.traceparent})
    with collector() as server:
        sink(server).deliver(stored(record(made, price=Price(PricingStatus.MISSING, None, "v1"))))
        (span,) = server.spans
    assert (span.status, span.attributes["error.type"]) == ("error", "timeout")
    assert not [name for name in span.attributes if "cost" in name]


def test_a_model_call_in_no_trace_is_not_sent() -> None:
    """Nobody could find it there."""
    assert sent(event(LLM_CALL, CALL)) == []


SPAN: dict[str, Any] = {
    "name": "n", "trace_id": "a" * 32, "span_id": "b" * 16, "parent_span_id": None, "started_at": NOON.isoformat(),
    "duration_seconds": 1, "status": "ok", "attributes": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": "no hexadecimal"},
        {"trace_id": "a" * 33},
        {"span_id": ""},
        {"span_id": 7},
        {"parent_span_id": "zz"},
        {"parent_span_id": "b" * 20},
        {"duration_seconds": 1e300},
        {"duration_seconds": -1e11},
        {"started_at": "1066-10-14T09:00:00+00:00"},
        {"started_at": 7},
        {"attributes": [1]},
        {"name": {"a": 1}},
    ],
)
def test_a_span_that_protobuf_cannot_hold_is_rejected_alone(wrong: dict[str, Any]) -> None:
    """Whatever stands in an event of user code, nothing is raised and the others of its batch arrive."""
    with collector() as server:
        answer = sink(server).deliver(
            stored(record(told(SPAN_ENDED, None, **SPAN | wrong)), record(told(SPAN_ENDED, None, **SPAN)))
        )
        assert isinstance(answer, Rejected)
        assert list(answer.refusals) == [1]
        assert answer.refusals[1].reason
        assert [span.name for span in server.spans] == ["n"]


def test_the_spans_of_a_post_share_one_resource() -> None:
    """Each span of a batch is beside the others, in the order of the log."""
    with collector() as server:
        sink(server).deliver(stored(*(record(told(SPAN_ENDED, None, **SPAN | {"name": name})) for name in "abc")))
        ((first, *_),) = server.posts
        assert [span.name for span in server.spans] == ["a", "b", "c"]
        assert first.resource == {"service.name": "redrive", "service.version": "1.2"}
        assert server.resources == [1]
