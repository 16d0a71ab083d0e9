"""A redriver for tests and trials: it keeps what was published."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.bus.letter import Letter, in_trace, letter_of
from orchestrator.bus.opening import Opener
from orchestrator.domain.errors import DependencyUnreachable, Unroutable
from orchestrator.domain.redrives import Redrive, published_singly

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from orchestrator.domain.edits import Edits
    from orchestrator.domain.failures import TaskMessage
    from orchestrator.domain.plan import Route


@dataclass(slots=True)
class MemoryRedriver:
    """Keeps (message, attempt id, route), and the letter that a broker would have got.

    `queues` names the queues that exist, None that all do; raises `failing_with` while that is set.
    """

    published: list[tuple[TaskMessage, UUID, Route | None]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    queues: frozenset[str] | None = None
    failing_with: DependencyUnreachable | Unroutable | None = None
    opener: Opener = field(default_factory=Opener)

    def publish(
        self,
        message: TaskMessage,
        attempt_id: UUID,
        route: Route | None,
        traceparent: str | None = None,
        edits: Edits | None = None,
    ) -> None:
        """Keep the message."""
        if self.failing_with is not None:
            raise self.failing_with
        opened = self.opener.opened(message)
        letter = in_trace(letter_of(opened, attempt_id, route, datetime.now(UTC), edits), traceparent)
        if self.queues is not None and (letter.exchange or letter.routing_key not in self.queues):
            raise Unroutable(f"expected a queue behind exchange {letter.exchange!r} and key {letter.routing_key!r}")
        self.published.append((message, attempt_id, route))
        self.letters.append(letter)

    def publish_all(self, redrives: Sequence[Redrive]) -> list[Unroutable | DependencyUnreachable | None]:
        """Keep the messages; gives for each why it was not."""
        return published_singly(self, redrives)
