"""The sink that sends spans to a collector: OTLP over HTTP with protobuf, specification 1.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import requests
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanContext as OtelContext

from orchestrator.domain.events import Deferred, Delivered, Outcome
from orchestrator.sinks.parcels import Refused, envelope_of, pack, send_apart
from orchestrator.sinks.spans import CONSUMER, INTERNAL, PRODUCER, TOLD, Span, span_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from orchestrator.domain.events import Delivery, EventRecord, StoredEvent
    from orchestrator.domain.traces import SpanContext

PATH: Final = "/v1/traces"
HEADERS: Final = {"Content-Type": "application/x-protobuf"}
TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500
# The codes after which the specification lets a client try again (OTLP/HTTP, "Failures").
TRY_AGAIN: Final = frozenset({408, TOO_MANY, 502, 503, 504})
REFUSED: Final = frozenset({400, 413, 422})
SCOPE: Final = InstrumentationScope("redrive")
KINDS: Final = {INTERNAL: SpanKind.INTERNAL, PRODUCER: SpanKind.PRODUCER, CONSUMER: SpanKind.CONSUMER}
FOUND: Final = range(200, 300)


class OtlpSink:
    """Posts to the collector at `url`. `resource` says what the spans are of; `headers` may hold its key.

    What a span cannot be made of, because it is in no trace, or in one that is not sampled, is delivered by not being
    sent.
    """

    name = "otlp"
    types = TOLD

    def __init__(
        self, url: str, resource: Mapping[str, str], headers: Mapping[str, str], timeout_seconds: float
    ) -> None:
        base = url.rstrip("/")
        self._url = base if base.endswith(PATH) else base + PATH
        self._resource = Resource(dict(resource))
        self._timeout = timeout_seconds
        self._session = requests.Session()
        self._session.headers.update({**headers, **HEADERS})

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Send a span for each event that has one; a span that the collector refuses alone is rejected."""
        parcels, refused = pack(batch, _span)
        return send_apart([[each for each in parcels if each.content is not None]], self._post, refused)

    def _post(self, spans: list[Span | None]) -> Delivered | Deferred | Refused:
        body = encode_spans([readable(each, self._resource) for each in spans if each]).SerializeToString()
        try:
            answer = self._session.post(self._url, data=body, timeout=self._timeout, allow_redirects=False)
        except requests.RequestException as error:
            return Deferred(f"no answer from the collector: {type(error).__name__}")
        return decide(answer)


def decide(answer: requests.Response) -> Delivered | Deferred | Refused:
    """Tell what a collector's answer means for the batch."""
    said = f"the collector answered {answer.status_code}"
    if answer.status_code in FOUND:
        return Delivered()
    if answer.status_code in REFUSED:
        return Refused(said)
    waits = answer.headers.get("Retry-After", "")
    if answer.status_code in TRY_AGAIN:
        outcome = Outcome.THROTTLE if answer.status_code == TOO_MANY else Outcome.FAILURE
        return Deferred(said, float(waits) if waits.isdigit() else None, outcome)
    if answer.status_code >= SERVER_ERRORS:
        return Deferred(said)
    return Deferred(f"config: {said}; check REDRIVE_OTLP_URL and REDRIVE_OTLP_HEADERS", outcome=Outcome.CONFIG)


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """Give a span as OpenTelemetry's SDK has it."""
    parent = OtelContext(int(span.context.trace_id, 16), int(span.parent, 16), is_remote=True) if span.parent else None
    return ReadableSpan(
        name=span.name,
        context=_context(span.context),
        parent=parent,
        resource=resource,
        attributes=dict(span.attributes),
        links=[Link(_context(each)) for each in span.links],
        kind=KINDS[span.kind],
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=SCOPE,
    )


def _context(place: SpanContext) -> OtelContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return OtelContext(int(place.trace_id, 16), int(place.span_id, 16), is_remote=False, trace_flags=flags)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _span(record: EventRecord) -> Span | None:
    envelope = envelope_of(record)
    if not isinstance(envelope.get("data"), dict):
        raise ValueError("expected an object in data, got none")  # noqa: TRY004 - bad bytes, not a bad call
    return span_of(envelope)
