"""A sink that keeps what it gets: for tests, and for reading what the port means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.events import Deferred, Delivered, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.domain.events import Delivery, StoredEvent


class MemorySink:
    """Keeps every event it was handed, duplicates too. `answers` are given first, one for each batch."""

    def __init__(self, name: str, types: Iterable[str], answers: Iterable[Delivery] = ()) -> None:
        self.name = name
        self.types = frozenset(types)
        self.events: list[StoredEvent] = []
        self._answers = list(answers)

    def answer_next(self, answer: Delivery) -> None:
        """Give this answer to the next batch that none is meant for yet."""
        self._answers.append(answer)

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Keep the batch, or do as the next answer says: nothing of a deferred one, all but the rejected."""
        answer = self._answers.pop(0) if self._answers else Delivered()
        refused = answer.refusals if isinstance(answer, Rejected) else {}
        if not isinstance(answer, Deferred):
            self.events += [event for event in batch if event.seq not in refused]
        return answer
