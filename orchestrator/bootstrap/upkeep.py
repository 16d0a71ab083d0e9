"""The event log's upkeep as a part: the leader takes small steps while there is something to do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.bootstrap.supervisor import Loop
from orchestrator.domain.room import Room
from orchestrator.eventlog.upkeep import LogKeep

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.bootstrap.leadership import Leadership
    from orchestrator.eventlog.sql import SqlEventLog
    from orchestrator.eventlog.upkeep import Upkeep
    from orchestrator.settings import Settings

# Seconds: between two steps, so that others get their turn to write; between two looks while there is little to do.
BETWEEN_STEPS: Final = 0.05
BETWEEN_LOOKS: Final = 2.0
# Rows that make the next step worth a commit at once.
MUCH: Final = 500


def room_of(settings: Settings) -> Room:
    """Give how much the log may hold."""
    return Room(settings.eventlog_bytes, settings.eventlog_reserve)


def upkeep_loop(settings: Settings, log: SqlEventLog, lead: Leadership) -> Loop:
    """Make the loop that sums rows up and drops those that no sink needs."""
    days = (settings.eventlog_days, settings.eventlog_keys_days)
    keep = LogKeep(timedelta(days=days[0]), timedelta(days=days[1]), room_of(settings))
    return Loop("eventlog", paced(log.upkeep(keep)), lead)


def paced(upkeep: Upkeep) -> Callable[[], float]:
    """Step on while there is much to do, else rest."""
    return lambda: BETWEEN_STEPS if upkeep.run_once() >= MUCH else BETWEEN_LOOKS
