"""The outbox: events born in the ledger are copied into the event log, which knows each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventbus.wire import from_mapping
from orchestrator.flows.intake import record_of

if TYPE_CHECKING:
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import EventLog

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
        self.log.append([record_of(from_mapping(event)) for _, event in rows])
        with self.ledger.transaction() as tx:
            tx.clear_outbox([number for number, _ in rows])
        return len(rows)
