"""Retention of the ledger: bodies first, rows later, one small batch per transaction, nothing that is open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.incidents import IncidentStep, after
from orchestrator.flows.announcing import incident_closed
from orchestrator.flows.auditing import let_go

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import Ledger, LedgerTx
    from orchestrator.domain.retention import Keep

# Rows that one transaction takes: whoever else wants to write waits for it.
BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Retention:
    """Lets go of what closed longer ago than it is kept.

    `forget` deletes the stored body that a claim names; where it says False, the body is in use for now, and the
    failures that name it are left for a later round.
    """

    ledger: Ledger
    clock: Callable[[], datetime]
    keep: Keep
    forget: Callable[[Mapping[str, Any]], bool] = lambda _claim: True

    def run_once(self) -> int:
        """Take one batch of everything that is due; gives the number of rows taken, 0 when nothing is left."""
        now = self.clock()
        bodies, rows = now - self.keep.bodies, now - self.keep.rows
        stay = self._forget_bodies(bodies, rows)
        steps: tuple[Callable[[LedgerTx], int], ...] = (
            lambda tx: tx.purge_bodies(bodies, now, BATCH, stay),
            lambda tx: tx.purge_payloads(bodies, BATCH),
            lambda tx: self._expire(tx, rows, now),
            lambda tx: tx.purge_failures(rows, BATCH, stay),
            lambda tx: tx.purge_incidents(rows, BATCH),
            lambda tx: tx.purge_remains(rows, now, BATCH),
        )
        return sum(self._do(step) for step in steps)

    def _forget_bodies(self, bodies: datetime, rows: datetime) -> list[str]:
        """Delete first, forget where it lay afterwards: in the other order a crash would leave it for ever.

        Gives the URLs of those that have to stay for now.
        """
        with self.ledger.reading() as tx:
            claims = tx.claims_due(bodies, rows, BATCH)
        return [str(claim["url"]) for claim in claims if not self.forget(claim)]

    def _do(self, step: Callable[[LedgerTx], int]) -> int:
        with self.ledger.transaction() as tx:
            return step(tx)

    def _expire(self, tx: LedgerTx, closed_before: datetime, now: datetime) -> int:
        """Close the incidents of which only failures are left that nobody has replayed for as long as rows are kept."""
        found = tx.expired_incidents(closed_before, BATCH)
        for incident in found:
            expired = _expired(incident, tx.dead_failures(incident.id), self.keep.rows.days, now)
            tx.save_incident(expired)
            tx.audit(let_go(incident, expired, now))
            tx.emit(incident_closed(expired, now))
        return len(found)

    def measure(self) -> None:
        """Note how large the tables are; they are read without the turn to write."""
        with self.ledger.reading() as tx:
            sizes = tx.measure()
        with self.ledger.transaction() as tx:
            tx.note_sizes(sizes)


def _expired(incident: Incident, dead: int, days: int, now: datetime) -> Incident:
    note = f"{dead} failures were listed as dead for {days} days, and nobody replayed them"
    return replace(incident, state=after(incident.state, IncidentStep.DISCARD), closed_at=now, note=note)
