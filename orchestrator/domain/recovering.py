"""The port of the ledger, as far as it knows recoveries of many failures at once, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.recoveries import Progress, Recovery, RecoveryState
    from orchestrator.domain.release import Release, ReleaseCounts
    from orchestrator.domain.searching import Judging
    from orchestrator.domain.selection import Selection


class RecoveringTx(Protocol):
    """What a transaction on the ledger can do for recoveries of many failures at once, and what became of each."""

    def add_recovery(self, recovery: Recovery) -> None:
        """Store a recovery."""

    def save_recovery(self, recovery: Recovery) -> None:
        """Store what changed in a recovery."""

    def recovery(self, recovery_id: UUID) -> Recovery | None:
        """Look a recovery up, by its id, which is that of its command."""

    def recoveries(self, states: Sequence[RecoveryState], limit: int, after: Recovery | None = None) -> list[Recovery]:
        """List recoveries in these states (all when empty), newest first, behind `after`."""

    def releases_by(self, command_id: UUID) -> list[Release]:
        """List the releases that a command has opened, one for each incident."""

    def add_releases(self, releases: Sequence[Release]) -> None:
        """Store releases that nobody has yet, however many, at once."""

    def incidents_by(self, incident_ids: Collection[UUID]) -> list[Incident]:
        """Look incidents up, however many, at once: those that are there, in the order of the ids."""

    def counts_by(self, command_id: UUID) -> Mapping[UUID, ReleaseCounts]:
        """Count the attempts of each release of a command, those that retention took included."""

    def flying_by(self, command_id: UUID) -> AbstractSet[UUID]:
        """Name the releases of a command of which redrives are out."""

    def runs_for(self, command_id: UUID) -> bool:
        """Tell whether a command has a release that has not ended."""

    def claim_selected(self, recovery: Recovery, judging: Judging) -> int:
        """Write down which failures are a recovery's, and reserve them for its releases: of those it selects the ones
        that can go, in its order and up to its limit. The dead ones are held again. Gives their number.
        """

    def all_tell(self, selection: Selection, name: str) -> bool:
        """Tell whether the worker of every failure that a selection means has let the value of this argument out."""

    def progress(self, recovery_id: UUID) -> Progress:
        """Count what became of a recovery's failures, those that retention took included."""

    def run_seconds(self, tasks: Sequence[str], since: datetime) -> tuple[int, float | None]:
        """Measure how long redrives of these tasks ran that ended well `since`, the newest: their number and the mean
        from publication to end, None where there is none.
        """

    def give_back(self, recovery_id: UUID, now: datetime) -> int:
        """Let go of what a recovery has not sent: it stands again as it did, and is nobody's. Gives its number."""

    def settle_releases(self, release_ids: Collection[UUID]) -> None:
        """Note of what releases that have ended still had that it stays behind, and that it is nobody's."""

    def settle_discarded(self, failure_ids: Sequence[UUID]) -> None:
        """Note that failures have ended by other means than their recovery's, and are nobody's: call it with those that
        a statement, not `save_failure`, has closed.
        """
