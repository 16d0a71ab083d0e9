"""Where one run keeps what, and where its processes serve. Values only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

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
    """What a run keeps things in: Celery's `broker` and result `backend`, the event `bus`, and three databases.

    Broker and bus are two: a bus that is slow or down meets the plugin's events and not the tasks.
    """

    broker: str
    bus: str
    backend: str
    ledger: str
    eventlog: str
    warehouse: str

    def with_bus_at(self, port: int) -> Urls:
        """Give the same with the event bus by way of another port of loopback."""
        return replace(self, bus=at_port(self.bus, port))

    def with_databases_at(self, port: int) -> Urls:
        """Give the same with the orchestrator's databases by way of another port of loopback."""
        ledger, eventlog, warehouse = (at_port(url, port) for url in (self.ledger, self.eventlog, self.warehouse))
        return replace(self, ledger=ledger, eventlog=eventlog, warehouse=warehouse)


@dataclass(frozen=True, slots=True)
class Web:
    """Where a run's processes serve over HTTP; `provider_link` is the provider as workers and probes reach it."""

    front: str
    api: str
    stackstorm: str
    provider: str
    provider_link: str
    data_plane: str
    otlp: str


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


def at_port(url: str, port: int) -> str:
    """Give the same URL at a port of loopback."""
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{'@' if login else ''}127.0.0.1:{port}"))


def port_of(url: str) -> int:
    """Read the port of a URL; raises ValueError where it has none."""
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"expected a URL with a port, got {url!r}")
    return port
