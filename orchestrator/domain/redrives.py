"""A redrive: one message to be published, the work that is left after its attempt was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.errors import DependencyUnreachable, Unroutable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from orchestrator.domain.edits import Edits
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route
    from orchestrator.domain.ports import Redriver


@dataclass(frozen=True, slots=True)
class Redrive:
    """One message to be published under its attempt, in a trace if it was in one, with a person's edits if any."""

    attempt_id: UUID
    message: TaskMessage
    route: Route | None
    traceparent: str | None = None
    edits: Edits | None = None


def published_singly(
    redriver: Redriver, redrives: Sequence[Redrive]
) -> list[Unroutable | DependencyUnreachable | None]:
    """Publish one after the other; gives for each why it did not go out. None is tried once the broker is away."""
    fates: list[Unroutable | DependencyUnreachable | None] = []
    away: DependencyUnreachable | None = None
    for each in redrives:
        try:
            if away is None:
                redriver.publish(each.message, each.attempt_id, each.route, each.traceparent, each.edits)
        except DependencyUnreachable as error:
            away = error
        except Unroutable as error:
            fates.append(error)
            continue
        fates.append(away)
    return fates
