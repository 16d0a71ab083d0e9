"""The sink that loads model costs into the SQL warehouse, each exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventbus.wire import LLM_CALL
from orchestrator.domain.errors import DependencyUnreachable
from orchestrator.domain.events import Deferred, Delivered
from orchestrator.sinks.parcels import Refused, data_of, pack, send_apart
from orchestrator.stores import Unstorable
from orchestrator.warehouse.loader import load
from orchestrator.warehouse.rows import CostRow, cost_row
from orchestrator.warehouse.schema import STORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.events import Delivery, EventRecord, StoredEvent


class WarehouseSink:
    """Rows of `model_cost_logs` in the database at `url`, which has been migrated."""

    name = "warehouse"
    types = frozenset({LLM_CALL})

    def __init__(self, url: str) -> None:
        self._engine = STORE.open(url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Load the batch in one commit; an event that no row can be made of is rejected with the name of its field."""
        parcels, refused = pack(batch, _row)
        return send_apart([parcels], self._load, refused)

    def _load(self, rows: list[CostRow]) -> Delivered | Deferred | Refused:
        try:
            load(self._engine, rows)
        except Unstorable as error:
            return Refused(str(error))
        except DependencyUnreachable as error:
            return Deferred(str(error))
        return Delivered()


def _row(record: EventRecord) -> CostRow:
    return cost_row(record, data_of(record))
