"""The sinks that the settings name, each with what it takes."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from orchestrator.bootstrap.entries import SinkEntry, all_of
from orchestrator.sinks.otlp import OtlpSink
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink

if TYPE_CHECKING:
    from orchestrator.domain.ports import Sink
    from orchestrator.settings import Settings


def make_sinks(settings: Settings) -> tuple[SinkEntry, ...]:
    """Make the sinks: the warehouse always, RudderStack and a collector of traces where they are named."""
    sinks: list[Sink] = [WarehouseSink(settings.warehouse_url)]
    if settings.rudderstack_url and settings.rudderstack_write_key is not None:
        key = settings.rudderstack_write_key.get_secret_value()
        sinks.append(RudderStackSink(settings.rudderstack_url, key, settings.rudderstack_timeout))
    if settings.otlp_url:
        headers = settings.otlp_headers.get_secret_value() if settings.otlp_headers else ""
        sinks.append(OtlpSink(settings.otlp_url, _resource(settings), _pairs(headers), settings.otlp_timeout))
    return tuple(all_of(sink) for sink in sinks)


def _resource(settings: Settings) -> dict[str, str]:
    """Say what spans are of, in OpenTelemetry's words (semantic conventions: service, deployment, vcs)."""
    known = {
        "service.name": "redrive",
        "service.version": version("redrive"),
        "service.instance.id": f"{os.uname().nodename}-{os.getpid()}",
        "deployment.environment.name": settings.environment,
        "vcs.ref.head.revision": settings.vcs_revision,
    }
    return {name: value for name, value in known.items() if value}


def _pairs(headers: str) -> dict[str, str]:
    """Read `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS has it."""
    parts = (each.partition("=") for each in headers.split(",") if each.strip())
    return {name.strip(): value.strip() for name, _, value in parts}
