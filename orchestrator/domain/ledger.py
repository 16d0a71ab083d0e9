"""The port of the ledger: what recovery knows, changed in transactions that commit as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from uuid import UUID

    from eventbus.wire import Event
    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.commands import Mode, RetryCommand, StoredAnswer
    from orchestrator.domain.dispatches import Dispatch
    from orchestrator.domain.failures import Failure, FailureState, Kind
    from orchestrator.domain.incidents import Incident, IncidentState
    from orchestrator.domain.release import Members, Release, ReleaseCounts


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """A failure with its place in the ledger; `attempts` counts the redrives recorded for it so far."""

    failure: Failure
    incident_id: UUID
    kind: Kind
    state: FailureState
    idempotent: bool
    attempts: int
    command_release_id: UUID | None


@dataclass(frozen=True, slots=True)
class FirstRetry:
    """First attempts of all releases with an outcome or without, those that succeeded, and what belongs beside them."""

    first_attempts: int
    first_successes: int
    first_in_flight: int
    never_released: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """The ledger in numbers, for metrics. Attempts are counted by (plan, state, number); ages are seconds."""

    failures: Mapping[str, int]
    incidents: Mapping[str, int]
    attempts: Mapping[tuple[str, str, int], int]
    dispatch_oldest_seconds: float
    held_oldest_seconds: Mapping[str, float]


class LedgerTx(Protocol):
    """One transaction. Reads see what it has written."""

    # what was seen before
    def first_sight(self, event_id: str, failure_id: UUID | None, attempt_id: UUID | None) -> bool:
        """File an event as evidence; False when it was filed before."""

    # failures
    def add_failure(self, failure: Failure, incident_id: UUID, kind: Kind, *, idempotent: bool) -> None:
        """Store a failure, held."""

    def failure(self, failure_id: UUID) -> StoredFailure | None:
        """Look a failure up by its id."""

    def failure_of_task(self, task_id: str) -> StoredFailure | None:
        """Look up the newest failure of a task."""

    def set_failure_state(self, failure_ids: Iterable[UUID], state: FailureState) -> None:
        """Move failures to a state."""

    def claim(self, failure_ids: Iterable[UUID], command_release_id: UUID | None) -> None:
        """Reserve failures for the release that a person asked for; None gives them back."""

    def open_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that are neither recovered, discarded nor dead."""

    def dead_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that wait for a person."""

    def failures_of(self, incident_id: UUID, limit: int, after: UUID | None = None) -> list[StoredFailure]:
        """List the failures of an incident, oldest first, behind the one with the id `after`."""

    def failure_counts(self) -> Mapping[str, int]:
        """Count all failures by their state."""

    # incidents
    def open_incident(self, signature: str, dependency: str | None) -> Incident | None:
        """Find the incident that takes in failures which look like this."""

    def incident(self, incident_id: UUID) -> Incident | None:
        """Look an incident up."""

    def incidents(self, states: Sequence[IncidentState], limit: int, after: UUID | None) -> list[Incident]:
        """List incidents in these states (all when empty), newest first, after the one with the id `after`."""

    def add_incident(self, incident: Incident) -> bool:
        """Store a new incident; False when one that takes in the same failures is open already."""

    def save_incident(self, incident: Incident) -> None:
        """Store what changed in an incident."""

    def incident_counts(self) -> Mapping[str, int]:
        """Count all incidents by their state."""

    def without_release(self) -> list[Incident]:
        """List the planned incidents that have idempotent failures held, not claimed, and no release to move them."""

    # releases
    def add_release(self, release: Release) -> None:
        """Store a release; the same one again changes nothing."""

    def save_release(self, release: Release) -> None:
        """Store what changed in a release."""

    def release(self, release_id: UUID) -> Release | None:
        """Look a release up."""

    def releases_of(self, incident_id: UUID) -> list[Release]:
        """List the releases of an incident, oldest first."""

    def active_releases(self) -> list[Release]:
        """List the releases that have not ended."""

    def members(self, release: Release) -> Members:
        """Count what a release has still to move."""

    def held(self, release: Release, limit: int, *, fresh: bool) -> list[StoredFailure]:
        """List the failures that go next: `fresh` those tried least, else those tried most; the oldest of equals."""

    def give_up(self, release: Release) -> int:
        """Make dead whatever a release has still to move, and nobody's; gives the number of failures."""

    def release_counts(self, release_id: UUID) -> ReleaseCounts:
        """Count a release's attempts."""

    # attempts
    def add_attempt(self, attempt: Attempt) -> None:
        """Store an attempt; the same one again changes nothing."""

    def attempt(self, attempt_id: UUID) -> Attempt | None:
        """Look an attempt up."""

    def save_attempt(self, attempt: Attempt) -> None:
        """Store what changed in an attempt."""

    def attempts_of(self, failure_id: UUID) -> list[Attempt]:
        """List the attempts of a failure, first one first."""

    def mark_published(self, attempt_ids: Iterable[UUID], now: datetime) -> None:
        """Note that attempts are on the bus, unless their outcome has come already."""

    def unpublished(self, recorded_before: datetime, limit: int) -> list[Attempt]:
        """List attempts that were recorded and perhaps never published."""

    def without_outcome(self, published_before: datetime, limit: int) -> list[Attempt]:
        """List attempts whose outcome never came."""

    def first_retry(self) -> FirstRetry:
        """Count first attempts over all releases."""

    # triggers
    def add_dispatch(self, dispatch: Dispatch) -> None:
        """Store a trigger to be sent; the same one again changes nothing."""

    def save_dispatch(self, dispatch: Dispatch) -> None:
        """Store what came of a trigger."""

    def due_dispatches(self, now: datetime, limit: int) -> list[Dispatch]:
        """List the triggers to be sent, or to be asked about, now; oldest first."""

    def dispatches_of(self, incident_id: UUID) -> list[Dispatch]:
        """List the triggers of an incident, oldest first."""

    def tallies(self, now: datetime) -> Tallies:
        """Count what metrics show: failures by kind, incidents by state, attempts, and what waits longest."""

    # people
    def add_command(self, command: RetryCommand) -> None:
        """Store a person's command."""

    def command(self, command_id: UUID) -> RetryCommand | None:
        """Look a command up."""

    def take_key(self, key: str, request_hash: str, now: datetime) -> StoredAnswer | None:
        """Take an Idempotency-Key for this request; what is stored under it when another request had it first.

        A request that runs at the same time is waited for. Keys older than a day are dropped.
        """

    def store_answer(self, key: str, answer: StoredAnswer) -> None:
        """Keep the answer to the request that took this key."""

    def mode(self) -> Mode | None:
        """Give the mode that was last set, None before it was."""

    def set_mode(self, mode: Mode, actor: str, now: datetime) -> None:
        """Switch the mode."""

    # events born here
    def emit(self, event: Event) -> None:
        """Put an event into the outbox."""

    def outbox(self, limit: int) -> list[tuple[int, Mapping[str, Any]]]:
        """List the oldest events of the outbox (structured CloudEvents) with their numbers."""

    def clear_outbox(self, numbers: Iterable[int]) -> None:
        """Drop the events that the event log holds by now, by their numbers."""

    # leadership
    def lease(self, part: str, owner: str, now: datetime, ttl: float, *, takeover: bool) -> int | None:
        """Take or renew the lead of a part for `ttl` seconds: its epoch, or None while another process has it.

        `takeover` says that the present holder is known to be dead.
        """

    def epoch_of(self, part: str) -> int:
        """Give the epoch of a part's lead, 0 before anybody had it; it cannot change before this transaction ends."""

    def lease_holder(self, part: str) -> str | None:
        """Name the process that holds the lead of a part."""


class Ledger(Protocol):
    """The ledger."""

    def transaction(self) -> AbstractContextManager[LedgerTx]:
        """Open a transaction: it commits when the block ends, and rolls back when the block raises."""

    def ready(self) -> None:
        """Raise DependencyUnreachable when the ledger cannot be read."""
