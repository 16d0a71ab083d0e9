"""The sinks that the settings name, each with what it takes and how much at once."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from eventbus.wire import TASK_OUTCOMES, TYPES
from orchestrator.bootstrap.alerts import alert_sinks
from orchestrator.bootstrap.entries import SinkEntry
from orchestrator.bootstrap.own_sinks import own_sink
from orchestrator.domain.errors import SettingsInvalid
from orchestrator.domain.subscriptions import Subscription
from orchestrator.flows.batches import Limits
from orchestrator.similarity.rules import SKETCH, Rules
from orchestrator.sink_settings.kinds import (
    CloudEventsTable,
    FileTable,
    OtlpTable,
    OwnTable,
    RudderStackTable,
    SinkTable,
    WarehouseTable,
    WebTable,
)
from orchestrator.sinks.cloudevents import CloudEventsSink
from orchestrator.sinks.file import FileSink
from orchestrator.sinks.guarded import GuardedSink
from orchestrator.sinks.otlp import OtlpSink
from orchestrator.sinks.rudderstack import RudderStackSink
from orchestrator.sinks.warehouse import WarehouseSink

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.domain.ports import Sink
    from orchestrator.settings import Settings

# What a sink that takes any type gets where none are named: all that Redrive makes, but the counts of every second.
USUAL: Final = TYPES - {TASK_OUTCOMES}


def make_sinks(settings: Settings) -> tuple[SinkEntry, ...]:
    """Make an entry of each sink: the warehouse always, and what the settings name. Raises SettingsInvalid."""
    entries = tuple(_entry(name, table, settings) for name, table in settings.all_sinks.items())
    told = alert_sinks(settings.alerts)
    for taken in settings.all_sinks.keys() & {entry.name for entry in told}:
        raise SettingsInvalid(f"REDRIVE_SINKS.{taken}: expected another name, got that of a target of alerts")
    return entries + told


def warehouses(settings: Settings) -> list[str]:
    """Give the URLs of all warehouses, each once."""
    tables = settings.all_sinks.values()
    return list(dict.fromkeys(table.place for table in tables if isinstance(table, WarehouseTable)))


def _entry(name: str, table: SinkTable, settings: Settings) -> SinkEntry:
    made = _MAKERS[type(table)](name, table, settings)
    given = table.batch.model_dump(exclude_none=True)
    held = made.held if isinstance(made, WarehouseSink) else None
    return SinkEntry(GuardedSink(made), _subscription(name, table, made), replace(Limits(), **given), held)


def _subscription(name: str, table: SinkTable, sink: Sink) -> Subscription:
    if table.types is None:
        return Subscription(sink.types, table.organizations, table.sample)
    for unknown in sorted(table.types - sink.types):
        near = get_close_matches(unknown, sink.types, 1)
        advice = f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(sink.types))}"
        raise SettingsInvalid(f"REDRIVE_SINKS.{name}.types: expected types that it can take, got {unknown!r}; {advice}")
    return Subscription(table.types, table.organizations, table.sample)


def _rudderstack(name: str, table: RudderStackTable, _: Settings) -> Sink:
    key = table.write_key.get_secret_value() if table.write_key else ""
    return RudderStackSink(table.place, key, table.timeout, name=name)


def _warehouse(name: str, table: WarehouseTable, settings: Settings) -> Sink:
    rules = Rules(
        count=settings.similarity_count,
        age=timedelta(days=settings.similarity_days),
        thresholds={SKETCH: settings.similarity_threshold} | settings.similarity_thresholds,
        blocks=settings.similarity_blocks,
    )
    return WarehouseSink(table.place, name=name, rules=rules)


def _otlp(name: str, table: OtlpTable, settings: Settings) -> Sink:
    return OtlpSink(
        table.place, _resource(settings), _headers(table), table.timeout, name=name, ca_file=_ca_file(table)
    )


def _cloudevents(name: str, table: CloudEventsTable, _: Settings) -> Sink:
    return CloudEventsSink(
        table.place,
        table.types or USUAL,
        _headers(table),
        table.timeout,
        name=name,
        single=table.mode == "single",
        ca_file=_ca_file(table),
    )


def _file(name: str, table: FileTable, _: Settings) -> Sink:
    return FileSink(
        table.folder,
        table.types or USUAL,
        name=name,
        rotate_bytes=table.rotate_bytes,
        rotate_seconds=table.rotate_seconds,
        keep=table.keep,
    )


def _own(name: str, table: OwnTable, _: Settings) -> Sink:
    return own_sink(name, table.kind, table.given())


def _headers(table: WebTable) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in table.headers.items()}


def _ca_file(table: WebTable) -> str | None:
    return str(table.ca_file) if table.ca_file else None


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


_MAKERS: Final[Mapping[type[SinkTable], Callable[..., Sink]]] = {
    RudderStackTable: _rudderstack,
    WarehouseTable: _warehouse,
    OtlpTable: _otlp,
    CloudEventsTable: _cloudevents,
    FileTable: _file,
    OwnTable: _own,
}
