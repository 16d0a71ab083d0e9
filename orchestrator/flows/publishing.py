"""Publishing: what was recorded goes out, and what went out is noted; the reconciler mends a crash in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.attempts import Outcome
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.moment import Moment
from orchestrator.failpoints import hit
from orchestrator.flows.outcomes import record_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.plan import Route
    from orchestrator.domain.ports import Redriver


@dataclass(frozen=True, slots=True)
class Redrive:
    """One message to be published: the work that is left after an attempt was recorded."""

    attempt_id: UUID
    message: TaskMessage
    route: Route | None


@dataclass(frozen=True, slots=True)
class Publishing:
    """Publishes recorded attempts."""

    ledger: Ledger
    redriver: Redriver
    clock: Callable[[], datetime]
    jitter: Callable[[], float]

    def publish(self, redrives: Sequence[Redrive]) -> int:
        """Publish in this order; gives the number published.

        Stops where the bus is away: what is left stays recorded, and is published under the same attempts later.
        """
        published: list[UUID] = []
        try:
            for redrive in redrives:
                if not self._reached(redrive, published):
                    break
        finally:
            self._note(published)
        return len(published)

    def _reached(self, redrive: Redrive, published: list[UUID]) -> bool:
        try:
            self.redriver.publish(redrive.message, redrive.attempt_id, redrive.route)
        except DependencyUnreachable:
            return False
        except Unroutable as error:
            self._fail(redrive.attempt_id, str(error))
            return True
        hit("task_published")
        published.append(redrive.attempt_id)
        return True

    def _fail(self, attempt_id: UUID, reason: str) -> None:
        with self.ledger.transaction() as tx:
            record_outcome(tx, attempt_id, Outcome(failed_with=reason), Moment(self.clock(), self.jitter()))

    def _note(self, published: Sequence[UUID]) -> None:
        if published:
            with self.ledger.transaction() as tx:
                tx.mark_published(published, self.clock())
