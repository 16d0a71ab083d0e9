"""One trace from a task's caller to its recovery, as a collector gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.domain.traces import SpanContext
from tests.collector import collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.acceptance.field import Field
    from tests.collector import Collector, SeenSpan

TASK = "tests.acceptance.app.fragile"
CALLERS = {name: SpanContext(number * 32, number * 16) for name, number in (("first", "a"), ("second", "b"))}


@pytest.fixture
def spans_of() -> Iterator[Collector]:
    """A collector."""
    with collector() as server:
        yield server


def test_a_failed_call_can_be_followed_from_its_caller_to_its_recovery(
    make_field: Callable[..., Field], spans_of: Collector
) -> None:
    """Run, failure, incident, redrive, second run and outcome are one trace; a second call is linked, in its own.

    Each child of the pool ends after one task, so that every span of a run is one of a recycled child.
    """
    resource = {"REDRIVE_ENVIRONMENT": "test", "REDRIVE_VCS_REVISION": "abc", "REDRIVE_SERVICE_VERSION": "7"}
    worker = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans_of.url, "REDRIVE_TRACES": "1", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    field = make_field(
        environ={"REDRIVE_OTLP_URL": spans_of.url, "REDRIVE_ENVIRONMENT": "test", "REDRIVE_VCS_REVISION": "abc"},
        worker_environ=worker | resource,
        worker_options=("--max-tasks-per-child", "1"),
    )
    _call(field, "first")
    field.until("an incident", lambda: len(field.incidents()) == 1)
    _call(field, "second")
    field.until("all spans", lambda: len(spans_of.named(f"run/{TASK}")) == 4 and _ends(spans_of), seconds=80)
    spans = {span.span_id: span for span in spans_of.spans}
    _is_one_trace(field, spans_of, spans)
    _is_linked(spans_of, spans)
    _says_what_it_is_of(spans_of)


def _call(field: Field, name: str) -> None:
    headers = {"traceparent": CALLERS[name].traceparent}
    field.sender.send_task(TASK, [name], headers=headers)


def _ends(spans_of: Collector) -> bool:
    closed, ended = spans_of.named(f"incident {TASK}"), spans_of.named(f"redriven {TASK}")
    return bool(closed) and len(ended) == 2


def _only(found: list[SeenSpan], trace_id: str) -> SeenSpan:
    (only,) = {each.span_id: each for each in found if each.trace_id == trace_id}.values()
    return only


def _is_one_trace(field: Field, spans_of: Collector, spans: dict[str, SeenSpan]) -> None:
    first = CALLERS["first"]
    failed = _only(spans_of.named(f"failed {TASK}"), first.trace_id)
    run = spans[failed.parent]
    assert (run.name, run.parent) == (f"run/{TASK}", first.span_id)
    incident = _only(spans_of.named(f"incident {TASK}"), first.trace_id)
    assert incident.parent == run.span_id
    planned = spans_of.named("incident planned")[0]
    assert planned.parent == incident.span_id
    assert planned.attributes["redrive.execution_id"] in field.incidents()[0]["dispatches"][0]["execution_ids"]
    ended = _only(spans_of.named(f"redriven {TASK}"), first.trace_id)
    redrive = spans[ended.parent]
    assert (redrive.name, redrive.parent) == ("redrive", incident.span_id)
    assert any(each.name == f"run/{TASK}" and each.parent == redrive.span_id for each in spans.values())
    assert (first.trace_id, run.span_id) in redrive.links


def _is_linked(spans_of: Collector, spans: dict[str, SeenSpan]) -> None:
    second = CALLERS["second"]
    run = spans[_only(spans_of.named(f"failed {TASK}"), second.trace_id).parent]
    incident = spans_of.named(f"incident {TASK}")[0]
    (redrive,) = (each for each in spans.values() if (second.trace_id, run.span_id) in each.links)
    assert redrive.name == "redrive"
    assert redrive.parent == ""
    assert (incident.trace_id, incident.span_id) in redrive.links
    assert redrive.trace_id not in {second.trace_id, incident.trace_id}
    assert any(each.name == f"run/{TASK}" and each.parent == redrive.span_id for each in spans.values())


def _says_what_it_is_of(spans_of: Collector) -> None:
    runs = spans_of.named(f"run/{TASK}")[0].resource
    ours = spans_of.named(f"incident {TASK}")[0].resource
    assert (runs["service.name"], runs["service.version"], ours["service.name"]) == ("acceptance", "7", "redrive")
    for resource in (runs, ours):
        assert resource["service.instance.id"]
        assert (resource["deployment.environment.name"], resource["vcs.ref.head.revision"]) == ("test", "abc")
