"""The answers of a sink to batches that were not delivered, kept to be told: each change, not each try."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from orchestrator.domain.events import Answer, Outcome
from orchestrator.flows.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.domain.events import Lane, StoredEvent
    from orchestrator.domain.ports import EventLog

# Seconds after which the same answer is noted again.
AGAIN: Final = 60.0


@dataclass(slots=True)
class AnswerNotes:
    """Notes what one sink answers in one lane: each other answer at once, the same one at most every AGAIN seconds."""

    log: EventLog
    sink: str
    lane: Lane
    _said: tuple[Outcome, str] | None = None
    _pause: Pause | None = field(default=None)

    def deferred(self, batch: Sequence[StoredEvent], outcome: Outcome, reason: str, now: datetime) -> None:
        """Note why a batch did not go."""
        same = (outcome, reason) == self._said and self._pause is not None and self._pause.left(now) > 0
        if same or outcome is Outcome.NEUTRAL or not batch:
            return
        self._said, self._pause = (outcome, reason), Pause(now, AGAIN)
        self._note(batch, outcome, reason, now)

    def settled(self, batch: Sequence[StoredEvent], now: datetime) -> None:
        """Note that a batch went after all, where it had been noted that it did not."""
        if self._said is not None:
            self._said = None
            self._note(batch, Outcome.SUCCESS, None, now)

    def _note(self, batch: Sequence[StoredEvent], outcome: Outcome, detail: str | None, now: datetime) -> None:
        self.log.note_answer(Answer(self.sink, self.lane, batch[0].seq, batch[-1].seq, outcome.value, detail, now))
