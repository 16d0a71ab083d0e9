"""Where an incident and its redrives stand in traces."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.traces import SpanContext, attempt_context, context_of, incident_context, span_id

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("traceparent", "place"),
    [
        (GIVEN, SpanContext(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-00", SpanContext(TRACE, SPAN, sampled=False)),
        (f"00-{TRACE}-{SPAN}-03", SpanContext(TRACE, SPAN)),
        (f"01-{TRACE}-{SPAN}-01-later", SpanContext(TRACE, SPAN)),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
        (None, None),
    ],
)
def test_a_traceparent_is_read_as_w3c_says(traceparent: str | None, place: SpanContext | None) -> None:
    """What the specification allows is read, later versions too; what it forbids counts as no trace."""
    assert context_of(traceparent) == place


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    """Whatever a message carries under that name, reading it gives a place or none."""
    assert context_of(text) is None or context_of(text)


def test_what_is_written_reads_as_the_same_place() -> None:
    """A place and its header are one thing."""
    for sampled in (True, False):
        place = SpanContext(TRACE, SPAN, sampled=sampled)
        assert context_of(place.traceparent) == place


def test_an_incident_goes_on_in_the_trace_of_its_first_failure() -> None:
    """With a traced failure the incident is in its trace, sampled or not as that is; without, it has one of its own."""
    incident = uuid4()
    unsampled = SpanContext(TRACE, SPAN, sampled=False)
    assert incident_context(incident, unsampled) == SpanContext(TRACE, span_id("incident", incident), sampled=False)
    assert incident_context(incident, None).trace_id == incident.hex


def test_only_the_first_failure_s_redrive_is_in_the_incident_s_trace() -> None:
    """The others have a trace each: a release of ten thousand is no trace of ten thousand spans."""
    incident, attempt = incident_context(uuid4(), SpanContext(TRACE, SPAN)), uuid4()
    assert attempt_context(attempt, incident, leads=True).trace_id == TRACE
    other = attempt_context(attempt, incident, leads=False)
    assert other.trace_id == attempt.hex
    assert context_of(other.traceparent) == other


def test_the_same_step_told_twice_is_one_span() -> None:
    """Ids are made of what a span tells of, so that a delivery that is repeated repeats them."""
    attempt = uuid4()
    assert span_id("attempt", attempt) == span_id("attempt", str(attempt))
    assert span_id("attempt", attempt) != span_id("ended", attempt)
