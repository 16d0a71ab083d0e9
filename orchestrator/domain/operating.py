"""The port of the ledger, as far as a person asks: what is held and why, and taking a whole incident at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.commands import Command
    from orchestrator.domain.failures import FailureState
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.selection import Selection


class OperatingTx(Protocol):
    """What a transaction on the ledger can do for a person's commands and questions."""

    def states_of(self, incident_id: UUID) -> Mapping[FailureState, int]:
        """Count the failures of an incident by their state."""

    def stands(self, selection: Selection) -> list[tuple[UUID, FailureState, int]]:
        """Count the failures that a selection means, by incident and state."""

    def discard(self, selection: Selection, note: str, now: datetime, limit: int) -> list[UUID]:
        """Give up at most so many of the failures that a selection means, saying so on each; gives their ids.

        Whoever calls it settles them with their recoveries (`settle_discarded`).
        """

    def leaning_on(self, dependency: str, limit: int) -> list[Incident]:
        """List the incidents of a dependency that are not closed, oldest first."""

    def open_for(self, dependency: str) -> int:
        """Count the incidents of a dependency that are not closed."""

    def held_for(self, dependency: str) -> int:
        """Count the held failures of a dependency's incidents."""

    def commands_of(self, incident_id: UUID) -> list[Command]:
        """List the commands about an incident or its failures, oldest first."""

    def commands_about(self, dependency: str, limit: int) -> list[Command]:
        """List the newest commands that name a dependency, newest first."""

    def attempts_recorded(self, incident_id: UUID, since: datetime, limit: int) -> list[Attempt]:
        """List attempts of an incident's failures that were recorded at this time or later, in that order."""

    def attempts_ended(self, incident_id: UUID, since: datetime, limit: int) -> list[Attempt]:
        """List attempts of an incident's failures that ended at this time or later, in that order."""

    def tasks_waiting(self, incident_id: UUID) -> Mapping[str, int]:
        """Count the held failures of an incident whose task is not declared idempotent, and not asked for, by task."""
