"""The outbox: events born in the ledger are copied into the event log, which knows each of them once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from eventbus.wire import from_mapping
from orchestrator.domain.events import derived_key
from orchestrator.flows.intake import record_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.domain.events import EventRecord
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import EventLog

log = structlog.get_logger("redrive")
BATCH = 500


@dataclass(frozen=True, slots=True)
class OutboxCopier:
    """Moves events from the ledger to the log; a crash between both steps repeats the first, which changes nothing."""

    ledger: Ledger
    log: EventLog

    def run_once(self) -> int:
        """Copy the oldest events; gives their number."""
        with self.ledger.reading() as tx:
            rows = tx.outbox(BATCH)
        if not rows:
            return 0
        self._file([record_of(from_mapping(event)) for _, event in rows])
        with self.ledger.transaction() as tx:
            tx.clear_outbox([number for number, _ in rows])
        return len(rows)

    def _file(self, records: Sequence[EventRecord]) -> None:
        """Append them; what somebody else's event stands in the way of goes under a key that is ours alone."""
        if not self.log.append(records).duplicate:
            return
        taken = [each for each in records if self._is_taken(each)]
        for each in taken:
            log.error("outbox.id_taken", id=each.id, type=each.type)
        self.log.append([replace(each, key=derived_key(each.source, each.id)) for each in taken])

    def _is_taken(self, record: EventRecord) -> bool:
        found = self.log.find(record.key)
        return found is not None and (found.record.source, found.record.type) != (record.source, record.type)
