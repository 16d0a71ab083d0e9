"""Traces in a worker: which one a run belongs to, and, where it is asked for, spans of its tasks to a collector.

Where a task's message carries `traceparent` (W3C Trace Context), the failure's event carries it too. `WorkerSpans`
makes OpenTelemetry's Celery instrumentation safe in a prefork pool: each child gets a provider of its own after the
fork, and flushes it before it ends, so that the spans of a recycled child are not lost. What a child that is SIGKILLed
had not yet sent is.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from celery import signals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)

HEADER: Final = "traceparent"
FLUSH_SECONDS: Final = 3
_PATTERN: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


def traceparent_of(headers: Mapping[str, Any] | None) -> str | None:
    """Give a run's place in a trace: the span that is current, if OpenTelemetry is in use, else the message's."""
    told = _current() or (headers or {}).get(HEADER)
    return told if isinstance(told, str) and _PATTERN.fullmatch(told) else None


def _current() -> str | None:
    """Ask OpenTelemetry, without importing it: an application that has not done so has no span."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    try:
        context = api.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    except Exception as error:  # noqa: BLE001 - guarantee 4: no fault of a tracer's reaches a task
        log.debug("trace.unknown: %r", error)
        return None


def resource_attributes(service: str) -> dict[str, str]:
    """Give what a span says of the service: name, version, instance, environment, revision, each where it is known.

    OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which OpenTelemetry reads itself, come before these.
    """
    known = {
        "service.name": service,
        "service.version": os.environ.get("REDRIVE_SERVICE_VERSION"),
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "deployment.environment.name": os.environ.get("REDRIVE_ENVIRONMENT"),
        "vcs.ref.head.revision": os.environ.get("REDRIVE_VCS_REVISION"),
    }
    return {name: value for name, value in known.items() if value}


def trace_workers(service: str) -> WorkerSpans:
    """Trace the tasks of this application's workers, in each process that runs any, for as long as it runs them."""
    spans = WorkerSpans(service)
    signals.worker_process_init.connect(spans.on_child_start, weak=False)
    signals.worker_process_shutdown.connect(spans.on_end, weak=False)
    signals.worker_ready.connect(spans.on_ready, weak=False)
    signals.worker_shutdown.connect(spans.on_end, weak=False)
    return spans


class WorkerSpans:
    """The spans of one process: begun after the fork, ended before it exits. Nothing here ever raises."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._provider: TracerProvider | None = None

    def on_child_start(self, **_: Any) -> None:
        """Begin in a child of the pool."""
        self.begin()

    def on_ready(self, sender: Any, **_: Any) -> None:  # noqa: ANN401 - celery has no types
        """Begin in the worker's own process, if that is where its tasks run: in every pool but prefork."""
        if not sender.controller.pool_cls.__module__.endswith("prefork"):
            self.begin()

    def on_end(self, **_: Any) -> None:
        """End with the process."""
        self.end()

    def begin(self) -> None:
        """Send the spans of this process's tasks to OTEL_EXPORTER_OTLP_ENDPOINT; a missing package is said once."""
        try:
            self._provider = _provider(self._service)
        except Exception as error:  # noqa: BLE001 - without spans the tasks run all the same
            log.warning(
                "traces.off: expected redrive[otel] and a collector's URL, got %r; the tasks run without", error
            )

    def end(self) -> None:
        """Flush, for at most three seconds, and let go."""
        provider, self._provider = self._provider, None
        try:
            if provider is not None:
                provider.force_flush(FLUSH_SECONDS * 1000)
                provider.shutdown()
        except Exception as error:  # noqa: BLE001 - as in `begin`
            log.warning("traces.lost: the last spans of this process did not leave: %r", error)


def _provider(service: str) -> TracerProvider:
    from opentelemetry import trace  # noqa: PLC0415 - an extra, and only in a process that asked for it
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as above
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 - as above
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

    resource = Resource.create(resource_attributes(service)).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=FLUSH_SECONDS)))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]  # it is half typed
    return provider
