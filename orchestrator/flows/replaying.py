"""Replaying: one loop for each sink sends again what a person or the reconciler asked for, through a circuit.

Deliver, then note it: after a crash between the two, the same events go again under the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from orchestrator.domain.backoff import LONGEST_RETRY_AFTER
from orchestrator.domain.events import Deferred, Delivered, Outcome, Refusal, Rejected
from orchestrator.domain.replays import merged
from orchestrator.failpoints import hit
from orchestrator.flows.forwarding import Limits, cut
from orchestrator.flows.pauses import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from orchestrator.domain.events import StoredEvent
    from orchestrator.domain.ports import Sink
    from orchestrator.domain.replays import Batch, Replays
    from orchestrator.flows.forwarding import Circuit

# Seconds between two looks when nothing is to be sent again.
IDLE: Final = 0.5
GONE: Final = Refusal("expected an event that the log holds, got none: it was dropped meanwhile")


@dataclass(slots=True)
class Replayer:
    """Sends to one sink what waits for it, one replay after the other. Not for several threads.

    `jitter` gives a number in [0, 1).
    """

    replays: Replays
    sink: Sink
    circuit: Circuit
    jitter: Callable[[], float]
    limits: Limits = field(default_factory=Limits)
    last_error: str | None = None
    _deferrals: int = 0
    _pause: Pause | None = None

    def run_once(self, now: datetime) -> float | None:
        """Send one batch; seconds to wait before the next call, None when there may be more to do at once.

        Raises DependencyUnreachable when the log does not answer.
        """
        rest = max(self._pause.left(now) if self._pause else 0.0, self.circuit.rest())
        if rest > 0:
            return rest
        most = max(1, int(self.limits.events * self.circuit.allowance()))
        batch = self.replays.next_batch(self.sink.name, most)
        if batch is None or not (batch.events or batch.gone):
            return IDLE
        return self._send(_paced(batch), now)

    def _send(self, batch: Batch, now: datetime) -> float | None:
        events, spoilt = _patched(batch.events, batch.patches)
        spoilt |= dict.fromkeys(batch.gone, GONE)
        events = cut(events, self.limits.bytes)
        delivery = self.circuit.deliver(lambda: self.sink.deliver(events)) if events else Delivered()
        if isinstance(delivery, Deferred):
            self._settle_part(batch, events, delivery, now)
            return self._defer(delivery, now)
        refused = spoilt | (delivery.refusals if isinstance(delivery, Rejected) else {})
        delivered = [each.seq for each in events if each.seq not in refused]
        hit("replay_delivered")
        self.replays.settle(batch.replay, self.sink.name, delivered, refused, now)
        hit("replay_settled")
        self._deferrals, self._pause, self.last_error = 0, None, None
        return self._rest(batch, len(events), now)

    def _settle_part(self, batch: Batch, events: Sequence[StoredEvent], deferred: Deferred, now: datetime) -> None:
        """Note what the sink has settled of a batch before it asked for time."""
        if deferred.upto is not None:
            settled = [each.seq for each in events if each.seq <= deferred.upto and each.seq not in deferred.refusals]
            self.replays.settle(batch.replay, self.sink.name, settled, deferred.refusals, now)

    def _rest(self, batch: Batch, sent: int, now: datetime) -> float | None:
        if batch.replay.pace is None or not sent:
            return None
        wait = sent / batch.replay.pace
        self._pause = Pause(now, wait)
        return wait

    def _defer(self, deferred: Deferred, now: datetime) -> float:
        backoff, asked = self.limits.backoff, deferred.retry_after
        wait = backoff.seconds(self._deferrals, self.jitter())
        if asked is not None:
            wait = max(backoff.base, min(asked, LONGEST_RETRY_AFTER))
        self._deferrals += deferred.outcome is not Outcome.NEUTRAL
        self._pause = Pause(now, wait)
        self.last_error = deferred.reason
        return wait


def _paced(batch: Batch) -> Batch:
    """Take at most what goes in one second."""
    pace = batch.replay.pace
    return batch if pace is None else replace(batch, events=batch.events[: max(1, int(pace))])


def _patched(
    events: Sequence[StoredEvent], patches: Mapping[int, Mapping[str, Any]]
) -> tuple[list[StoredEvent], dict[int, Refusal]]:
    """Merge each event's patch into it; its id, its key and its place stay. What cannot be patched is refused."""
    ready: list[StoredEvent] = []
    spoilt: dict[int, Refusal] = {}
    for event in events:
        try:
            ready.append(patched(event, patches[event.seq]) if event.seq in patches else event)
        except ValueError as error:
            spoilt[event.seq] = Refusal(f"expected an event that can be patched, got: {error}")
    return ready, spoilt


def patched(event: StoredEvent, patch: Mapping[str, Any]) -> StoredEvent:
    """Give the event as it is sent with a patch; raises ValueError for bytes that are no JSON object."""
    envelope = orjson.loads(event.record.body)
    if not isinstance(envelope, dict):
        raise ValueError(f"expected an object, got {type(envelope).__name__}")  # noqa: TRY004 - bad bytes, not a bad call
    body = orjson.dumps(merged(envelope, dict(patch)))
    return replace(event, record=replace(event.record, body=body))
