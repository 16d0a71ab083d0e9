"""A redriver for tests and trials: it keeps what was published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.errors import DependencyUnreachable, Unroutable
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route


@dataclass(slots=True)
class MemoryRedriver:
    """Keeps (message, attempt id, route); raises `failing_with` while that is set."""

    published: list[tuple[TaskMessage, UUID, Route | None]] = field(default_factory=list)
    failing_with: DependencyUnreachable | Unroutable | None = None

    def publish(self, message: TaskMessage, attempt_id: UUID, route: Route | None) -> None:
        """Keep the message."""
        if self.failing_with is not None:
            raise self.failing_with
        self.published.append((message, attempt_id, route))
