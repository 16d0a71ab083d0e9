"""How runs of tasks that were sent as probes ended."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import select

from orchestrator.domain.probes import ProbeEnd
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import probe_ends

if TYPE_CHECKING:
    from uuid import UUID


class ProbeRows(Rows):
    """The verbs on probes."""

    def add_probe_end(self, run_id: UUID, end: ProbeEnd) -> None:
        """Note how a probe's run ended; what was told first stays."""
        self._insert_new(probe_ends, {"run_id": run_id, **asdict(end)})

    def probe_end(self, run_id: UUID) -> ProbeEnd | None:
        """Tell how a probe's run ended; None while nothing was told."""
        row = self._reading.execute(select(probe_ends).where(probe_ends.c.run_id == run_id)).one_or_none()
        return ProbeEnd(row.passed, row.why, row.at, row.retry_after) if row else None
