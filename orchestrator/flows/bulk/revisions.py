"""Who decided on what an incident said before: told which revision it has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.errors import Conflict

if TYPE_CHECKING:
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx


def refuse_outdated(tx: LedgerTx, incident: Incident, revision: int | None) -> None:  # noqa: ARG001 - the audit's
    """Raise Conflict for what was decided on another revision of an incident than the present one; None is none."""
    if revision is not None and revision != incident.revision:
        raise Conflict(
            f"expected revision {incident.revision} of incident {incident.id}, got {revision}; read the incident again"
        )
