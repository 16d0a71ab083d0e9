"""Publishing: what was recorded goes out, and what went out is noted; the reconciler mends a crash in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from orchestrator.domain.attempts import Outcome
from orchestrator.domain.dependencies import Policies
from orchestrator.domain.edits import Edits, edits_of
from orchestrator.domain.errors import DependencyUnreachable, NotRedrivable
from orchestrator.domain.moment import Moment
from orchestrator.domain.redrives import Redrive
from orchestrator.failpoints import hit
from orchestrator.flows.announcing import place_of
from orchestrator.flows.outcomes import record_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.errors import Unroutable
    from orchestrator.domain.failures import Failure
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.plan import Plan, Route
    from orchestrator.domain.ports import Redriver


BROKER_AWAY: Final = "the Celery broker cannot be reached; its redrives wait, and go as soon as it answers"


def redrive_of(
    attempt_id: UUID, failure: Failure, incident: Incident | None, route: Route | None, plan: Plan
) -> Redrive:
    """Make the work of an attempt; a run that was in a trace is run again in its attempt's, with its plan's edits."""
    traced = incident is not None and failure.traceparent is not None
    place = place_of(attempt_id, failure, incident) if incident and traced else None
    edits = edits_of(plan.edits, failure.declaration)
    if edits is None and route and route.kwargs and failure.declaration.positions:
        edits = Edits({}, failure.declaration.positions)  # what a route sets goes where its task takes it
    return Redrive(attempt_id, failure.message, route, place.traceparent if place else None, edits)


@dataclass(frozen=True, slots=True)
class Publishing:
    """Publishes recorded attempts."""

    ledger: Ledger
    redriver: Redriver
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    policies: Policies = field(default_factory=Policies)

    def publish(self, redrives: Sequence[Redrive]) -> int:
        """Publish in this order; gives the number published.

        Stops where the broker is away: what is left stays recorded, and is published under the same attempts later; the
        release says so.
        """
        fates = self.redriver.publish_all(redrives)
        published = [each.attempt_id for each, why_not in zip(redrives, fates, strict=True) if why_not is None]
        for _ in published:
            hit("task_published")
        try:
            self._tell_refused(redrives, fates)
        finally:
            self._note(published)
        return len(published)

    def _tell_refused(
        self, redrives: Sequence[Redrive], fates: Sequence[Unroutable | DependencyUnreachable | None]
    ) -> None:
        for redrive, why_not in zip(redrives, fates, strict=True):
            if isinstance(why_not, DependencyUnreachable):
                self._say_waiting(redrive.attempt_id)
                return
            if why_not is not None:
                refused = isinstance(why_not, NotRedrivable)
                self._fail(redrive.attempt_id, Outcome(str(why_not), refused=refused, published=False))

    def _fail(self, attempt_id: UUID, outcome: Outcome) -> None:
        with self.ledger.transaction() as tx:
            record_outcome(tx, attempt_id, outcome, Moment(self.clock(), self.jitter(), self.policies))

    def _say_waiting(self, attempt_id: UUID) -> None:
        with self.ledger.transaction() as tx:
            attempt = tx.attempt(attempt_id)
            release = tx.release(attempt.release_id) if attempt else None
            if release and not release.ended and release.note is None:
                tx.save_release(replace(release, note=BROKER_AWAY))

    def _note(self, published: Sequence[UUID]) -> None:
        if published:
            with self.ledger.transaction() as tx:
                tx.mark_published(published, self.clock())
                for release in tx.active_releases():
                    if release.note == BROKER_AWAY:
                        tx.save_release(replace(release, note=None))
