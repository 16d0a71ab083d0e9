"""Which spans a sink gets, where it takes a share of them: whole traces, and each trace in which something failed."""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from eventbus.wire import SPAN_ENDED

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from orchestrator.domain.events import StoredEvent
    from orchestrator.domain.subscriptions import Subscription

HASH_BYTES: Final = 8
HASHES: Final = float(1 << 8 * HASH_BYTES)


class Verdict(Enum):
    """What becomes of an event."""

    FILTER = "filter"
    KEEP = "keep"
    DROP = "drop"
    # Its trace is not of the share; something in it may yet fail.
    WAIT = "wait"


def is_in_share(trace: str, share: float) -> bool:
    """Tell whether a trace is of the share of all traces that is kept: the same at any time, and in any process.

    A trace of a share is of each greater share too, so that sinks with different ones see the same traces.
    """
    return int.from_bytes(sha256(trace.encode()).digest()[:HASH_BYTES]) < share * HASHES


def doubtful_trace(event: StoredEvent, subscription: Subscription) -> str | None:
    """Give the trace of a span that only a failure in that trace would keep; None for any other event."""
    trace = event.record.trace
    if event.record.type != SPAN_ENDED or trace is None or event.record.failed:
        return None
    return None if is_in_share(trace, subscription.sample) else trace


def judge(trace: str | None, failed: AbstractSet[str], age: float, patience: float) -> Verdict:
    """Decide about an event with this doubtful trace, `age` seconds after it was accepted.

    `failed` are the traces known to hold a failure. Until the span is `patience` seconds old it is not dropped.
    """
    if trace is None or trace in failed:
        return Verdict.KEEP
    return Verdict.WAIT if is_waiting(age, patience) else Verdict.DROP


def is_waiting(age: float, patience: float) -> bool:
    """Tell whether something of this age, in seconds, is to wait still; not for one from a clock that was put back."""
    return -patience <= age < patience


def age_of(event: StoredEvent, now: datetime) -> float:
    """Give the seconds since an event was accepted."""
    return (now - event.accepted_at).total_seconds()
