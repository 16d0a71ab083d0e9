"""Where one run keeps what, and what each of its processes is told of it. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.evidence import Arm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WRITE_KEY: Final = "development"
# The queue that only this arm's worker reads; that of the plugin's is the app's own.
QUEUES: Final[Mapping[Arm, str]] = {Arm.OFF: "plain", Arm.ON: "celery", Arm.TRACED: "traced"}
# Where a rule reroutes, the app's second queue is the plugin's worker's too.
REROUTED: Final = "bulk"


@dataclass(frozen=True, slots=True)
class Urls:
    """One run's places: Celery's `broker` and result `backend`, the event `bus`, and the orchestrator's databases.

    Broker and bus are two: a bus that is slow or down meets the plugin's events and not the tasks.
    """

    broker: str
    bus: str
    backend: str
    ledger: str
    eventlog: str
    warehouse: str


def embedded(folder: Path) -> Urls:
    """Give the places of a run on SQLite files."""
    return Urls(
        broker=f"redrive+sqlite:///{folder / 'broker.sqlite'}",
        bus=f"redrive+sqlite:///{folder / 'bus.sqlite'}",
        backend=f"db+sqlite:///{folder / 'results.sqlite'}",
        ledger=f"sqlite:///{folder / 'ledger.sqlite'}",
        eventlog=f"sqlite:///{folder / 'eventlog.sqlite'}",
        warehouse=f"sqlite:///{folder / 'warehouse.sqlite'}",
    )


def of_app(urls: Urls, folder: Path, provider: str, arm: Arm, collector: str = "") -> dict[str, str]:
    """Give what a worker of the sample app is told, or its front (arm off)."""
    told = {
        "LLM_APP_BROKER": urls.broker,
        "LLM_APP_BACKEND": urls.backend,
        "LLM_APP_PROVIDER": provider,
        "LLM_APP_PLUGIN": "off" if arm is Arm.OFF else "on",
        "LLM_APP_STAMPS": str(folder / "stamps.txt"),
        "REDRIVE_BUS_URL": urls.bus,
        "REDRIVE_SPOOL_DIR": str(folder / "spool"),
        "REDRIVE_JOURNAL_DIR": str(folder / "journal"),
    }
    return told | (_traced(collector) if arm is Arm.TRACED else {})


def _traced(collector: str) -> dict[str, str]:
    return {"REDRIVE_TRACES": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": collector}


def of_orchestrator(urls: Urls, folder: Path, stackstorm: str, data_plane: str, port: str) -> dict[str, str]:
    """Give the orchestrator's settings: all parts, mode act."""
    return {
        "REDRIVE_BUS_URL": urls.bus,
        "REDRIVE_BROKER_URL": urls.broker,
        "REDRIVE_LEDGER_URL": urls.ledger,
        "REDRIVE_EVENTLOG_URL": urls.eventlog,
        "REDRIVE_WAREHOUSE_URL": urls.warehouse,
        "REDRIVE_RESULT_BACKEND_URL": urls.backend,
        "REDRIVE_STACKSTORM_URL": stackstorm,
        "REDRIVE_RUDDERSTACK_URL": data_plane,
        "REDRIVE_RUDDERSTACK_WRITE_KEY": WRITE_KEY,
        "REDRIVE_JOURNAL_DIR": str(folder / "journal"),
        "REDRIVE_API_PORT": port,
        "REDRIVE_MODE": "act",
    }
