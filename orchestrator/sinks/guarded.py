"""What stands between a relay and a sink: nothing is taken for delivered by mistake, and no fault goes untold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from eventbus import scrub
from orchestrator.domain.events import Deferred, Delivered, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.domain.events import Delivery, Refusal, StoredEvent
    from orchestrator.domain.ports import Sink

log = structlog.get_logger("redrive")


class GuardedSink:
    """A sink whose faults become `Deferred`: an exception, no answer, or one about events that it was not given."""

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self.types = sink.types
        self._sink = sink

    def deliver(self, batch: Sequence[StoredEvent]) -> Delivery:
        """Hand the batch over."""
        try:
            answer: object = self._sink.deliver(batch)
        except Exception as error:
            log.exception("sink.broke", sink=self.name)
            return Deferred(scrub.text(f"the sink {self.name} raised {type(error).__name__}: {error}"))
        if isinstance(answer, Delivered):
            return answer
        if isinstance(answer, Rejected) and _is_of(answer, batch):
            return Rejected(_scrubbed(answer.refusals))
        if isinstance(answer, Deferred):
            answer = answer if _is_part(answer, batch) else self._without_part(answer)
            return replace(answer, reason=scrub.text(answer.reason), refusals=_scrubbed(answer.refusals))
        return Deferred(f"expected an answer of the sink {self.name} about what it was given, got {answer!r:.200}")

    def _without_part(self, answer: Deferred) -> Deferred:
        """Take the whole batch for unsettled: what came twice does less harm than what never came."""
        wrong = f"expected of the sink {self.name} a part of what it was given as settled, got upto {answer.upto!r:.40}"
        return replace(answer, reason=f"{answer.reason}; {wrong}", upto=None, refusals={})


def _scrubbed(refusals: Mapping[int, Refusal]) -> dict[int, Refusal]:
    """Take out what a server may have said back to us: a refusal is shown to whoever may read dead letters."""
    return {seq: replace(each, reason=scrub.text(each.reason)) for seq, each in refusals.items()}


def _is_part(answer: Deferred, batch: Sequence[StoredEvent]) -> bool:
    """Tell whether it says nothing of a part, or of one that is in the batch and leaves something of it."""
    upto: object = answer.upto  # anybody's sink may say anything
    if upto is None:
        return not answer.refusals
    settled = {event.seq for event in batch if isinstance(upto, int) and event.seq <= upto}
    return upto in settled and len(settled) < len(batch) and answer.refusals.keys() <= settled


def _is_of(answer: Rejected, batch: Sequence[StoredEvent]) -> bool:
    return answer.refusals.keys() <= {event.seq for event in batch}
