"""The sink that loads events into the SQL warehouse, each exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventbus.wire import TASK_OUTCOMES, TYPES
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Deferred, Delivered
from orchestrator.sinks.parcels import Refused, data_in, envelope_of, pack, send_apart
from orchestrator.stores import Unstorable
from orchestrator.warehouse.loader import load
from orchestrator.warehouse.queries import held
from orchestrator.warehouse.rows import Prompt, Row, rows_of
from orchestrator.warehouse.schema import STORE
from orchestrator.warehouse.similarity import STANDARD, Recent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from orchestrator.domain.events import Delivery, EventRecord, StoredEvent
    from orchestrator.similarity import Rules


class WarehouseSink:
    """Rows in the database at `url`, which has been migrated: one in `event_logs` for each event, and its own table's.

    It takes every type that Redrive makes, but for the counts of outcomes that each worker tells every second.
    """

    types = TYPES - {TASK_OUTCOMES}

    def __init__(self, url: str, *, name: str = "warehouse", rules: Rules = STANDARD) -> None:
        self.name = name
        self._engine = STORE.open(url)
        self._recent = Recent(rules)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def held(self, keys: Iterable[UUID]) -> set[UUID]:
        """Tell which of these events it has; raises DependencyUnreachable."""
        return held(self._engine, keys)

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Load the batch in one commit; an event that no row can be made of is rejected with the name of its field."""
        parcels, refused = pack(batch, _rows)
        return send_apart([parcels], self._load, refused)

    def _load(self, made: list[list[Row | Prompt]]) -> Delivered | Deferred | Refused:
        try:
            load(self._engine, [row for rows in made for row in rows], self._recent)
        except Unstorable as error:
            return Refused(str(error))
        except DependencyUnreachable as error:
            return Deferred(str(error))
        return Delivered()


def _rows(record: EventRecord) -> list[Row | Prompt]:
    envelope = envelope_of(record)
    return rows_of(record, data_in(envelope), envelope)
