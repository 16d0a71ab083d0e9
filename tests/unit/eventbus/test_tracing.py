"""Traces in a worker: a run's place is found, and nothing that is wrong with a tracer reaches a task."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from eventbus import tracing
from eventbus.tracing import WorkerSpans, resource_attributes, traceparent_of

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ({"traceparent": GIVEN}, GIVEN),
        ({"traceparent": "nonsense"}, None),
        ({"traceparent": 7}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_message_tells_the_trace(headers: dict[str, object] | None, place: str | None) -> None:
    """Without a span of the application's own, a well-formed header of the message is the run's place."""
    assert traceparent_of(headers) == place


def test_the_span_that_is_current_comes_first() -> None:
    """In an application that traces, the failure belongs to the run's own span, not to its caller's."""
    with TracerProvider().get_tracer("t").start_as_current_span("run") as span:
        context = span.get_span_context()
        place = traceparent_of({"traceparent": GIVEN})
    assert place is not None
    assert place.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


def test_a_tracer_that_fails_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a tracer raises, the message's own header is used."""
    monkeypatch.setattr(trace, "get_current_span", lambda: 1 / 0)
    assert traceparent_of({"traceparent": GIVEN}) == GIVEN


def test_what_cannot_be_started_is_said_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the packages, the worker starts, ends and says which extra it takes."""
    monkeypatch.setattr(tracing, "_provider", lambda _: (_ for _ in ()).throw(ImportError("no opentelemetry")))
    spans = WorkerSpans("shop")
    with caplog.at_level(logging.WARNING):
        spans.begin()
        spans.end()
    assert "redrive[otel]" in caplog.text


def test_the_resource_names_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Service and instance always; version, environment and revision where they are set."""
    for name in ("REDRIVE_SERVICE_VERSION", "REDRIVE_ENVIRONMENT", "REDRIVE_VCS_REVISION"):
        monkeypatch.delenv(name, raising=False)
    assert set(resource_attributes("shop")) == {"service.name", "service.instance.id"}
    monkeypatch.setenv("REDRIVE_ENVIRONMENT", "staging")
    monkeypatch.setenv("REDRIVE_VCS_REVISION", "abc")
    monkeypatch.setenv("REDRIVE_SERVICE_VERSION", "2")
    told = resource_attributes("shop")
    names = ("deployment.environment.name", "vcs.ref.head.revision", "service.version")
    assert [told[name] for name in names] == ["staging", "abc", "2"]
