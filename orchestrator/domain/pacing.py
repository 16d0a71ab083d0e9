"""The ramp: how many redrives may be in flight, as congestion control has it (RFC 5681: slow start, then AIMD)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

LEAST: Final = 1.0


class Phase(StrEnum):
    """Where a ramp stands: behind the gate, waiting for its canary, or letting a window out."""

    HOLDING = "holding"
    CANARY = "canary"
    RAMPING = "ramping"


@dataclass(frozen=True, slots=True)
class Ramp:
    """What all releases to one dependency share: one gate, one canary at a time, one window of redrives in flight.

    `tries` counts the canaries that failed in a row; `canary_id` is the attempt that was the last one, of the release
    `canary_release_id`. The window grows by one
    with each success up to `threshold`, then by one a round. `strikes` counts what went badly since it last went well
    for a whole round, `clean` the successes since.
    """

    name: str
    phase: Phase = Phase.HOLDING
    gate_at: datetime | None = None
    tries: int = 0
    canary_release_id: UUID | None = None
    canary_id: UUID | None = None
    window: float = LEAST
    threshold: float | None = None
    strikes: int = 0
    clean: int = 0
    why: str | None = None


def canary_sent(ramp: Ramp, release_id: UUID, attempt_id: UUID) -> Ramp:
    """Note that the canary is out."""
    out = replace(ramp, phase=Phase.CANARY, tries=ramp.tries + 1, why=None)
    return replace(out, canary_release_id=release_id, canary_id=attempt_id)


def counts(ramp: Ramp, attempt_id: UUID) -> bool:
    """Tell whether an attempt's outcome moves the ramp: none does behind the gate, and the canary's alone before it."""
    return ramp.phase is Phase.RAMPING or (ramp.phase is Phase.CANARY and ramp.canary_id == attempt_id)


def went_well(ramp: Ramp, first: float, most: int) -> Ramp:
    """Widen the window after a success, to `most` at most; a canary's success begins the ramp, with `first`."""
    if ramp.phase is Phase.CANARY:
        return replace(ramp, phase=Phase.RAMPING, tries=0, window=min(first, most), strikes=0, clean=0, why=None)
    if ramp.phase is not Phase.RAMPING:
        return ramp
    slow_start = ramp.threshold is None or ramp.window < ramp.threshold
    window = min(float(most), ramp.window + (1.0 if slow_start else 1.0 / ramp.window))
    clean = ramp.clean + 1
    forgiven = clean >= ramp.window
    return replace(
        ramp, window=max(window, LEAST), clean=0 if forgiven else clean, strikes=0 if forgiven else ramp.strikes
    )


def went_badly(ramp: Ramp, in_flight: int, gate_at: datetime) -> Ramp:
    """Halve the window after the first bad outcome, hold again behind the gate after a second, or after a canary's.

    Halved is what was in flight, where the window was wider than that (RFC 5681, FlightSize).
    """
    if ramp.phase is Phase.HOLDING:
        return ramp
    if ramp.phase is Phase.RAMPING and ramp.strikes == 0:
        half = max(LEAST, min(ramp.window, in_flight) / 2)
        return replace(ramp, window=half, threshold=half, strikes=1, clean=0)
    return held(ramp, gate_at)


def held(ramp: Ramp, gate_at: datetime) -> Ramp:
    """Hold behind the gate, not before `gate_at`."""
    half = max(LEAST, ramp.window / 2)
    return replace(ramp, phase=Phase.HOLDING, gate_at=gate_at, window=LEAST, threshold=half, strikes=0, clean=0)


def another_canary(ramp: Ramp, now: datetime) -> Ramp:
    """Ask again at once where a canary's outcome says nothing of the dependency."""
    if ramp.phase is not Phase.CANARY:
        return ramp
    return replace(ramp, phase=Phase.HOLDING, gate_at=now, tries=max(0, ramp.tries - 1))


def room(ramp: Ramp, in_flight: int, most: int) -> int:
    """Give how many more the window lets out now, `most` in flight at most."""
    return max(0, min(int(ramp.window), most) - in_flight) if ramp.phase is Phase.RAMPING else 0
