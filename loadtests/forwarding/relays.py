"""The relay process that is measured: `redrive run --parts relay`, as it would run for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadtests.processes import Process, Processes

# Nothing listens there: the parts that would ask are not run.
NOWHERE: Final = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class RelayOf:
    """One relay on a log and a warehouse at these URLs; `more` are further settings."""

    name: str
    log: str
    warehouse: str
    more: Mapping[str, str] = field(default_factory=dict)

    def start(self, processes: Processes) -> Process:
        """Start it."""
        processes.ready_file(self.name).unlink(missing_ok=True)
        command = ["-m", "orchestrator", "run", "--parts", "relay", *processes.told(self.name)]
        return processes.start(self.name, command, self._settings(processes.folder) | dict(self.more))

    def _settings(self, folder: Path) -> dict[str, str]:
        return {
            "REDRIVE_BUS_URL": f"redrive+sqlite:///{folder / 'bus.sqlite'}",
            "REDRIVE_LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite'}",
            "REDRIVE_EVENTLOG_URL": self.log,
            "REDRIVE_WAREHOUSE_URL": self.warehouse,
            "REDRIVE_STACKSTORM_URL": NOWHERE,
            # Its own time of starting is not measured, and neither is its API: there is none.
            "REDRIVE_API_PORT": "0",
        }
