"""The Celery broker, with an eye on whether it answers: an outage is said once, and so is its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from orchestrator.domain.errors import DependencyUnreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from orchestrator.domain.edits import Edits
    from orchestrator.domain.errors import Unroutable
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route
    from orchestrator.domain.ports import Redriver
    from orchestrator.domain.redrives import Redrive

log = structlog.get_logger("redrive")


@dataclass(slots=True)
class WatchedRedriver:
    """A redriver whose outages show in the log."""

    redriver: Redriver
    away: bool = False

    def publish(
        self,
        message: TaskMessage,
        attempt_id: UUID,
        route: Route | None,
        traceparent: str | None = None,
        edits: Edits | None = None,
    ) -> None:
        """Publish; raises what the redriver raises."""
        try:
            self.redriver.publish(message, attempt_id, route, traceparent, edits)
        except DependencyUnreachable as error:
            self._look(error)
            raise
        self._look(None)

    def publish_all(self, redrives: Sequence[Redrive]) -> Sequence[Unroutable | DependencyUnreachable | None]:
        """Publish; gives for each why it did not go out."""
        fates = self.redriver.publish_all(redrives)
        away = next((each for each in fates if isinstance(each, DependencyUnreachable)), None)
        if fates:
            self._look(away)
        return fates

    def _look(self, away: DependencyUnreachable | None) -> None:
        if away and not self.away:
            log.warning("broker.unreachable", error=str(away))
        elif self.away and not away:
            log.info("broker.reached")
        self.away = away is not None
