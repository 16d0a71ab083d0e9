"""Workers as they were last heard, and how far the bus has been read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from orchestrator.domain.workers import Beat, BusReading, Worker
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import bus_readings, workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Row

ONLY = 1


class WorkerRows(Rows):
    """The verbs on workers and on the reading of the bus."""

    def worker(self, boot: UUID) -> Worker | None:
        """Look up one boot of a worker."""
        row = self._reading.execute(select(workers).where(workers.c.boot == boot)).one_or_none()
        return _worker(row) if row else None

    def save_worker(self, worker: Worker) -> None:
        """Store what is known of a boot, in the place of what was."""
        beat = asdict(worker.beat) | {"children": list(worker.beat.children)}
        seen = {"first_seen": worker.first_seen, "last_seen": worker.last_seen, "idle_since": worker.idle_since}
        self._upsert(workers, "boot", beat | seen)

    def workers(self, names: Sequence[str] | None = None) -> list[Worker]:
        """List the boots of workers of these names (all when None), by name, the one first seen last at the end."""
        query = select(workers).order_by(workers.c.worker, workers.c.first_seen, workers.c.boot)
        if names is not None:
            query = query.where(workers.c.worker.in_(names))
        return [_worker(row) for row in self._reading.execute(query)]

    def drop_workers(self, boots: Iterable[UUID]) -> None:
        """Forget boots."""
        for boot in boots:
            self._reading.execute(delete(workers).where(workers.c.boot == boot))

    def bus_reading(self) -> BusReading | None:
        """Tell since when, and until when, the bus has been read without a break."""
        row = self._reading.execute(select(bus_readings.c.since, bus_readings.c.at)).one_or_none()
        return BusReading(row.since, row.at) if row else None

    def save_bus_reading(self, reading: BusReading) -> None:
        """Note that the bus was read to its end."""
        self._upsert(bus_readings, "id", {"id": ONLY, "since": reading.since, "at": reading.at})


def _worker(row: Row[Any]) -> Worker:
    fields = {name: getattr(row, name) for name in Beat.__dataclass_fields__}
    beat = Beat(**fields | {"children": tuple(row.children)})
    return Worker(beat, row.first_seen, row.last_seen, row.idle_since)
