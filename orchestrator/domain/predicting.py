"""The port of the ledger, as far as it knows how redrives went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.prediction import Tried


class PredictingTx(Protocol):
    """What a transaction on the ledger can do to tell how redrives went."""

    def tried(self, signatures: Sequence[str], since: datetime) -> list[Tried]:
        """List how redrives went that ended `since`: the newest of each of these signatures, and the newest of all."""

    def redriven_before(self, incident_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Count, for each incident, the failures that wait, are nobody's, and were redriven since they were opened."""
