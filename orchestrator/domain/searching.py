"""The port of the ledger, as far as it knows failures by what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.failures import FailureState, Kind
    from orchestrator.domain.selection import Selection
    from orchestrator.domain.standing import StoredFailure


class Why(StrEnum):
    """Why a failure cannot be asked for now; what comes first here is told first."""

    RELEASED = "released"
    RECOVERED = "recovered"
    DISCARDED = "discarded"
    PENDING = "pending"
    ASKED_FOR = "asked_for"
    MISSING = "missing"
    REDACTED = "redacted"
    SEALED = "sealed"
    EXPIRED = "expired"
    NOT_EDITABLE = "not_editable"
    BEYOND_LIMIT = "beyond_limit"


@dataclass(frozen=True, slots=True)
class Judging:
    """By what it is judged whether a failure can go: the time, whether there are keys for sealed messages, and the
    declarations, as the ledger has them, that allow the edits which were asked for (None: no edits were).
    """

    now: datetime
    keys_known: bool = False
    declarations: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """So many failures of one incident and task that can go, or cannot, for one reason; `asked_by` is the command that
    asked for them already.
    """

    incident_id: UUID
    task: str
    idempotent: bool
    count: int
    why: Why | None = None
    asked_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class FailureLine:
    """A failure as a list shows it, without its message and traceback: lists of 40,000 are read. `blocked` says what
    keeps its message from being redriven, `redacted` what was redacted of it (orchestrator/domain/eligibility.py).
    """

    id: UUID
    task_id: str
    task: str
    state: FailureState
    kind: Kind
    why: str
    reason: str | None
    incident_id: UUID
    dependency: str | None
    queue: str | None
    organization: str | None
    arguments: Mapping[str, Any]
    occurred_at: datetime
    closed_at: datetime | None
    worker: str
    exception_type: str
    exception_message: str
    idempotent: bool
    tries: int
    blocked: str | None = None
    redacted: tuple[str, ...] = ()


class SearchingTx(Protocol):
    """What a transaction on the ledger can do for failures by what is known of them."""

    def survey(self, selection: Selection, judging: Judging) -> list[Found]:
        """Count the failures that a selection means, by incident, task, and why they cannot go."""

    def survey_first(self, selection: Selection, judging: Judging, limit: int, *, newest: bool) -> list[Found]:
        """Count those that can go among the first `limit` of them, by incident and task."""

    def sample(
        self, selection: Selection, judging: Judging, why: Why | None, limit: int, asked_by: UUID | None = None
    ) -> list[StoredFailure]:
        """List the oldest failures that a selection means, and that cannot go for this reason (None: that can)."""

    def found(self, selection: Selection, limit: int, after: FailureLine | None = None) -> list[FailureLine]:
        """List the failures that a selection means, oldest first, behind `after`."""

    def declared(self, selection: Selection) -> Sequence[str]:
        """List the different declarations of the failures that a selection means, each as the ledger has it (JSON)."""
