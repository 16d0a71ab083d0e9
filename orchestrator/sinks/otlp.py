"""The sink that sends spans to a collector: OTLP over HTTP with protobuf, specification 1.x."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from google.protobuf.message import DecodeError, EncodeError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import SpanContext as OtelContext

from orchestrator.sinks.answers import posted
from orchestrator.sinks.calls import cost_of
from orchestrator.sinks.parcels import pack, send_apart
from orchestrator.sinks.posting import LONGEST_TOLD, session
from orchestrator.sinks.spans import CLIENT, CONSUMER, INTERNAL, PRODUCER, TOLD, Span, span_of
from orchestrator.sinks.unfit import Unfit, data_of, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import requests
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

    from orchestrator.domain.events import Deferred, Delivered, Delivery, EventRecord, StoredEvent
    from orchestrator.domain.traces import SpanContext
    from orchestrator.sinks.parcels import Refused

PATH: Final = "/v1/traces"
HEADERS: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
GZIP_WINDOW: Final = 31
FASTEST: Final = 1
SCOPE: Final = InstrumentationScope("redrive")
KINDS: Final = {
    INTERNAL: SpanKind.INTERNAL,
    PRODUCER: SpanKind.PRODUCER,
    CONSUMER: SpanKind.CONSUMER,
    CLIENT: SpanKind.CLIENT,
}

log = structlog.get_logger("redrive")


class OtlpSink:
    """Posts to the collector at `url`. `resource` says what the spans are of; `headers` may hold its key.

    What a span cannot be made of, because it is in no trace, or in one that is not sampled, is delivered by not being
    sent. `timeout_seconds` holds for connecting and for each read; the whole answer may take three times as long.
    """

    types = TOLD

    def __init__(  # noqa: PLR0913 - one argument for each key of its table
        self,
        url: str,
        resource: Mapping[str, str],
        headers: Mapping[str, str],
        timeout_seconds: float,
        *,
        name: str = "otlp",
        ca_file: str | None = None,
    ) -> None:
        base = url.rstrip("/")
        self.name = name
        self._url = base if base.endswith(PATH) else base + PATH
        self._resource = Resource(dict(resource))
        self._timeout = timeout_seconds
        self._headers = {**headers, **HEADERS}
        self._verify = ca_file or True
        self._session = session()

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Send a span for each event that has one; a span that the collector refuses alone is rejected."""
        parcels, refused = pack(batch, self._encoded)
        return send_apart([[each for each in parcels if each.content is not None]], self._post, refused)

    def _encoded(self, record: EventRecord) -> ResourceSpans | None:
        """Encode the span of an event by itself: what protobuf cannot hold is found before it is among others."""
        span = _span(record)
        if span is None:
            return None
        try:
            encoded: ResourceSpans = encode_spans([readable(span, self._resource)]).resource_spans[0]
        except (TypeError, ValueError, AttributeError, ArithmeticError, EncodeError) as error:
            raise Unfit(f"expected an event that a span can be made of, got one that cannot be: {error!r}") from error
        return encoded

    def _post(self, spans: list[ResourceSpans | None]) -> Delivered | Deferred | Refused:
        body = zlib.compress(joined([each for each in spans if each]), FASTEST, GZIP_WINDOW)
        return posted("the collector", f"check url and headers of the sink {self.name}", lambda: self._send(body))

    def _send(self, body: bytes) -> requests.Response:
        told: dict[str, Any] = {"headers": self._headers, "timeout": self._timeout, "verify": self._verify}
        answer = self._session.post(self._url, data=body, allow_redirects=False, **told)
        if answer.ok and (refused := partly_refused(answer)):
            log.warning("spans.refused", sink=self.name, spans=refused[0], reason=refused[1])
        return answer


def joined(spans: Sequence[ResourceSpans]) -> bytes:
    """Make one request of spans of one resource, in their order."""
    request = ExportTraceServiceRequest(resource_spans=spans[:1])
    beside = request.resource_spans[0].scope_spans[0].spans
    for each in spans[1:]:
        beside.extend(each.scope_spans[0].spans)
    whole: bytes = request.SerializeToString()
    return whole


def partly_refused(answer: requests.Response) -> tuple[int, str] | None:
    """Tell how many spans a collector says that it left out, and why; the specification forbids to send them again."""
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        return _refused_as_json(answer.content)
    try:
        partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    except DecodeError:
        return None
    return (partial.rejected_spans, partial.error_message[:LONGEST_TOLD]) if partial.rejected_spans > 0 else None


def _refused_as_json(body: bytes) -> tuple[int, str] | None:
    try:
        partial = orjson.loads(body)["partialSuccess"]
        refused = int(partial.get("rejectedSpans") or 0)
        return (refused, str(partial.get("errorMessage") or "")[:LONGEST_TOLD]) if refused > 0 else None
    except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError):
        # Whoever answers something else has said nothing of it.
        return None


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
    envelope = read(record.body)
    data_of(envelope)
    try:
        span = span_of(envelope)
    except (AttributeError, ArithmeticError) as error:
        raise Unfit(f"expected an event that a span can be made of, got one with a wrong field: {error!r}") from error
    return replace(span, attributes={**span.attributes, **cost_of(record.price)}) if span else None
