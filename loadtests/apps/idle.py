"""The Celery app of `bench plugin`: tasks that do nothing but note when they began.

REDRIVE_BENCH says what watches them.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from celery import Celery, signals

from eventbus.celery_plugin import install

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

OFF: Final = "off"
OTEL: Final = "opentelemetry"
POLL_SECONDS: Final = 0.002

app = Celery("idle", broker=os.environ["BROKER"])
app.conf.update(
    task_ignore_result=True,
    # One message at a time: what anything adds, in the parent or in the child, lies between two tasks' beginnings.
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
began: list[int] = []


def watch(what: str) -> None:
    """Have nothing, OpenTelemetry or the plugin watch the tasks."""
    if what == OTEL:
        signals.worker_process_init.connect(trace, weak=False)
    elif what != OFF:
        install(app, declarations={"idle.*": {"idempotent": True}})


def trace(**_: Any) -> None:
    """Start OpenTelemetry's instrumentation with an exporter that does nothing: its cheapest case."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 - a peer, in its own process only
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: PLC0415 - as above

    class Nowhere(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the interface's
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    CeleryInstrumentor().instrument(tracer_provider=provider)  # type: ignore[no-untyped-call]  # it is half typed


watch(os.environ["REDRIVE_BENCH"])


@app.task(name="idle.nothing")  # type: ignore[untyped-decorator]  # celery has no types
def nothing() -> None:
    """Note the time, and do nothing."""
    began.append(time.perf_counter_ns())


@app.task(name="idle.hold")  # type: ignore[untyped-decorator]  # celery has no types
def hold(path: str) -> None:
    """Keep the worker until a file is there: what is behind this in the queue then runs without a pause."""
    while not Path(path).exists():
        time.sleep(POLL_SECONDS)
    began.clear()


@app.task(name="idle.tell")  # type: ignore[untyped-decorator]  # celery has no types
def tell(path: str) -> None:
    """Write the times that were noted."""
    whole = Path(f"{path}.part")
    whole.write_text(json.dumps(began))
    whole.rename(path)
