"""The port of the ledger: what recovery knows, changed in transactions that commit as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.domain.alerting import AlertingTx
from orchestrator.domain.approving import ApprovingTx
from orchestrator.domain.auditing import AuditingTx
from orchestrator.domain.operating import OperatingTx
from orchestrator.domain.postmortem import SummingTx
from orchestrator.domain.predicting import PredictingTx
from orchestrator.domain.recovering import RecoveringTx
from orchestrator.domain.retention import RetentionTx
from orchestrator.domain.searching import SearchingTx

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from uuid import UUID

    from eventbus.wire import Event
    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.commands import Command, Mode, StoredAnswer
    from orchestrator.domain.dependencies import Dependency
    from orchestrator.domain.dispatches import Dispatch, DispatchState
    from orchestrator.domain.failures import Kind
    from orchestrator.domain.incidents import Incident, IncidentState
    from orchestrator.domain.pacing import Ramp
    from orchestrator.domain.probes import ProbeEnd
    from orchestrator.domain.release import Members, Release, ReleaseCounts
    from orchestrator.domain.routes.measures import Measured
    from orchestrator.domain.rules import Contact
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.domain.tallies import FirstRetry, Tallies
    from orchestrator.domain.workers import BusReading, Worker


class LedgerTx(
    OperatingTx,
    RetentionTx,
    SearchingTx,
    PredictingTx,
    RecoveringTx,
    AuditingTx,
    AlertingTx,
    ApprovingTx,
    SummingTx,
    Protocol,
):
    """One transaction. Reads see what it has written."""

    # what was seen before
    def recall(self, event_ids: Sequence[str], failure_ids: Iterable[UUID], attempt_ids: Iterable[UUID]) -> None:
        """Read in a few statements what a batch is going to ask for one by one; changes nothing."""

    def first_sight(
        self,
        event_id: str,
        failure_id: UUID | None,
        attempt_id: UUID | None,
        now: datetime,
        redelivered_at: datetime | None = None,
    ) -> bool:
        """File an event as evidence, taken in `now`; False when it was filed before.

        `redelivered_at` is when a run ended well that the broker had delivered again.
        """

    def redelivered(self, failure_id: UUID) -> datetime | None:
        """Tell when a redelivered run of a failure's message ended well, the last one."""

    # failures
    def add_failure(self, stored: StoredFailure) -> None:
        """Store a failure that was not known."""

    def save_failure(self, stored: StoredFailure) -> None:
        """Store what changed in a failure."""

    def forget_opening(self, stored: StoredFailure) -> None:
        """Count for good what a failure was, before it is opened again."""

    def pending(self, since_before: datetime, limit: int, after: StoredFailure | None = None) -> list[StoredFailure]:
        """List the failures whose message the broker has held since before this time, the longest first, behind
        `after`.
        """

    def kinds_open(self, incident_id: UUID) -> Mapping[Kind, int]:
        """Count the failures of an incident that can be moved, held and released ones, by their kind."""

    def failure(self, failure_id: UUID) -> StoredFailure | None:
        """Look a failure up by its id."""

    def failure_of_task(self, task_id: str) -> StoredFailure | None:
        """Look up the newest failure of a task."""

    def claim(self, failure_ids: Iterable[UUID], command_release_id: UUID | None) -> None:
        """Reserve failures for the release that a person asked for; None gives them back."""

    def open_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that are neither recovered, discarded nor dead."""

    def any_open(self, incident_id: UUID, beside: UUID | None = None) -> bool:
        """Tell whether an incident has failures, `beside` one, that are neither recovered, discarded nor dead."""

    def dead_failures(self, incident_id: UUID) -> int:
        """Count the failures of an incident that wait for a person."""

    def not_idempotent(self, incident_id: UUID) -> int:
        """Count the held failures of an incident whose task may not run twice."""

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

    def acknowledge_incidents(self, incident_ids: Sequence[UUID], actor: str, at: datetime) -> None:
        """Note that somebody knows of these: each has another revision."""

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
        """Count what a release has still to move: all in flight, and of those held as many as a step can use."""

    def held(self, release: Release, limit: int, *, fresh: bool) -> list[StoredFailure]:
        """List the failures that go next: `fresh` those tried least, else those tried most; the oldest of equals."""

    def give_up(self, release: Release, reason: str, now: datetime) -> int:
        """Make dead whatever a release has still to move, and nobody's; gives the number of failures."""

    def release_counts(self, release_id: UUID) -> ReleaseCounts:
        """Count a release's attempts."""

    # dependencies, and the ramps of releases
    def dependency(self, name: str) -> Dependency | None:
        """Look a dependency up."""

    def dependencies(self) -> list[Dependency]:
        """List all dependencies that something is known of, by name."""

    def save_dependency(self, dependency: Dependency) -> None:
        """Store what is known of a dependency, in the place of what was."""

    def ramp(self, name: str) -> Ramp | None:
        """Look a ramp up."""

    def ramps(self) -> list[Ramp]:
        """List all ramps, by name."""

    def save_ramp(self, ramp: Ramp) -> None:
        """Store how a ramp stands, in the place of what was."""

    def drop_ramps(self, names: Iterable[str]) -> None:
        """Forget ramps that no release is left of."""

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

    def unexplained(self, told_before: datetime, limit: int) -> list[Attempt]:
        """List attempts in flight that are known to have failed since before this time, and not with what."""

    def route_figures(self, since: datetime) -> Mapping[str, Measured]:
        """Measure targets of routes by name, over the newest attempts that ended `since`; home is none."""

    def first_retry(self) -> FirstRetry:
        """Count first attempts over all releases."""

    # triggers
    def add_dispatch(self, dispatch: Dispatch) -> None:
        """Store a trigger to be sent; the same one again changes nothing."""

    def save_dispatch(self, dispatch: Dispatch) -> None:
        """Store what came of a trigger."""

    def due_dispatches(self, states: Iterable[DispatchState], now: datetime, limit: int) -> list[Dispatch]:
        """List the triggers in these states that are to be sent, or to be asked about, now: those that are due
        longest first, of these the least tried.
        """

    def dispatches_of(self, incident_id: UUID) -> list[Dispatch]:
        """List the triggers of an incident, oldest first."""

    def dispatch(self, dispatch_id: UUID) -> Dispatch | None:
        """Look a trigger up by its id."""

    def instances_of(self, incident_id: UUID, beside: UUID) -> set[str]:
        """Give the trigger instances that are known of an incident's triggers, `beside` one."""

    def failures_told(self, signature: str, since: datetime, most: int) -> int:
        """Count the triggers of single failures with this signature that were queued since then; at least `most`
        stands for any number above it.
        """

    def sent_since(self, incident: Incident, since: datetime) -> list[datetime]:
        """Tell when deciding triggers of open incidents of an incident's dependency went since then, oldest first,
        those that are on their way as the newest; where it has no dependency, of its task. One that is still being
        sent and has `sent_at` gave up standing for others then, and counts as one that went.
        """

    def put_off(self, incident: Incident, until: datetime, note: str) -> None:
        """Let the deciding triggers of the incident's dependency that are to be sent wait until then."""

    def collapse(self, leader: Incident) -> int:
        """Have an incident's trigger stand for all that wait to be sent for others of the same dependency, task and
        kind; gives their number.
        """

    def leaders(self) -> list[UUID]:
        """List the incidents whose triggers stand for others'."""

    def collapsed(self, leader_id: UUID, limit: int) -> list[Dispatch]:
        """List the triggers that an incident's stands for, oldest first."""

    def let_go(self, leader_id: UUID) -> int:
        """Have the triggers that an incident's stands for wait to be sent by themselves, each until its own time;
        gives their number.
        """

    def untold(self, leader_id: UUID, note: str, limit: int) -> list[Dispatch]:
        """List the triggers that an incident's stands for, of undecided incidents that do not show this note."""

    def unanswered(self, now: datetime, limit: int) -> list[Dispatch]:
        """List the deciding triggers that no rule answered, and that are to be asked about again now."""

    def undecided(self, created_before: datetime, limit: int, after: Dispatch | None = None) -> list[Dispatch]:
        """List the deciding triggers without an answer of incidents that are open, oldest first, behind `after`."""

    def contact(self) -> Contact:
        """Tell how StackStorm was found, and what rules it had."""

    def save_contact(self, contact: Contact) -> None:
        """Note how StackStorm was found."""

    def tallies(self, now: datetime) -> Tallies:
        """Count what metrics show: failures by kind, incidents by state, attempts, and what waits longest."""

    # people
    def add_command(self, command: Command) -> None:
        """Store a person's command, and append it to the audit: save first what it has changed."""

    def command(self, command_id: UUID) -> Command | None:
        """Look a command up."""

    def take_key(self, key: str, request_hash: str, now: datetime) -> StoredAnswer | None:
        """Take an Idempotency-Key for this request; what is stored under it when another request had it first.

        A request that runs at the same time is waited for. Keys older than a day are dropped.
        """

    def knows_key(self, key: str) -> bool:
        """Tell whether a request has taken this key already."""

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

    # orphans
    def tasks_that_failed(self, task_ids: Sequence[str]) -> set[str]:
        """Tell which of these tasks have a failure, whatever became of it."""

    def orphans(self, since: datetime, limit: int, after: StoredFailure | None = None) -> list[StoredFailure]:
        """List failures of which nothing but their loss is known, and that are not over, from `since` on; oldest first,
        behind `after`.
        """

    # workers
    def worker(self, boot: UUID) -> Worker | None:
        """Look up one boot of a worker."""

    def save_worker(self, worker: Worker) -> None:
        """Store what is known of a boot, in the place of what was."""

    def workers(self, names: Sequence[str] | None = None) -> list[Worker]:
        """List the boots of workers of these names (all when None), by name, the one first seen last at the end."""

    def drop_workers(self, boots: Iterable[UUID]) -> None:
        """Forget boots."""

    def bus_reading(self) -> BusReading | None:
        """Tell since when, and until when, the bus has been read without a break."""

    def save_bus_reading(self, reading: BusReading) -> None:
        """Note that the bus was read to its end."""

    # probes
    def add_probe_end(self, run_id: UUID, end: ProbeEnd) -> None:
        """Note how the run of a task that was sent as a probe ended; what was told first stays."""

    def probe_end(self, run_id: UUID) -> ProbeEnd | None:
        """Tell how such a run ended; None while nothing was told."""

    # leadership
    def lease(  # noqa: PLR0913 - a lease is who, for what, from when, for how long, and past whom
        self, part: str, owner: str, now: datetime, ttl: float, *, takeover: bool, above: int = 0
    ) -> int | None:
        """Take or renew the lead of a part for `ttl` seconds: its epoch, or None while another process has it.

        `takeover` says that the present holder is known to be dead; the epoch given is later than `above`.
        """

    def epoch_of(self, part: str) -> int:
        """Give the epoch of a part's lead, 0 before anybody had it; it cannot change before this transaction ends."""

    def lease_holder(self, part: str) -> str | None:
        """Name the process that holds the lead of a part."""

    def led(self, part: str, now: datetime) -> bool:
        """Tell whether anybody has the lead of a part that has not run out."""


class Ledger(Protocol):
    """The ledger."""

    def transaction(self) -> AbstractContextManager[LedgerTx]:
        """Open a transaction: it commits when the block ends, and rolls back when the block raises."""

    def reading(self) -> AbstractContextManager[LedgerTx]:
        """Open a transaction that reads one state of the ledger, and waits for no writer; it must not write."""

    def ready(self) -> None:
        """Raise DependencyUnreachable when the ledger cannot be read."""
