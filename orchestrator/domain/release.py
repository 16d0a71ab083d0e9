"""A release: held failures being redriven, canary first. Decisions only: frozen values in, frozen values out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from uuid import UUID

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.plan import Gate, Plan


# A gate that opens at once still keeps the tries after the first apart.
LEAST_DISTANCE: Final = 0.5
# Redrives that one step publishes at most; `paused` takes effect between steps.
LARGEST_BATCH: Final = 100
# The same canary is tried again, so that an outage costs few first attempts; each eighth try asks another failure.
ASK_ANOTHER: Final = 8


class ReleaseState(StrEnum):
    """Where a release stands: behind its gate, waiting for its canary, ramping, or over."""

    HOLDING = "holding"
    CANARY = "canary"
    RAMPING = "ramping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


ENDED = frozenset({ReleaseState.SUCCEEDED, ReleaseState.FAILED})


@dataclass(frozen=True, slots=True)
class Release:
    """One release. `command_id` is set when a person asked for it: it then covers the failures that were named, else
    it covers every held failure of its incident, the ones that come in while it runs included.
    """

    id: UUID
    incident_id: UUID
    plan: Plan
    state: ReleaseState
    gate_at: datetime
    tries: int = 0
    command_id: UUID | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str | None = None

    @property
    def ended(self) -> bool:
        """Tell whether this release publishes nothing more."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Members:
    """How many failures a release still has to move: held ones that may go, and redrives in flight."""

    held: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before something comes back or the gate opens."""


@dataclass(frozen=True, slots=True)
class Send:
    """Redrive this many failures now, one alone as a canary. `fresh`: those first that were never tried."""

    count: int
    canary: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """The release is over: nothing is left to move, or its tries are used up."""

    state: ReleaseState


Step = Wait | Send | Finish


def next_step(release: Release, members: Members, now: datetime) -> Step:
    """Decide what a release does next.

    A gate that is closed waits; an open one lets one canary out; a ramp fills its window; nothing left ends it.
    A plan that redrives nothing ends it as well, once nothing is in flight.
    """
    if members.held == 0 and members.in_flight == 0:
        return Finish(ReleaseState.SUCCEEDED)
    if not release.plan.redrives:
        return Wait() if members.in_flight else Finish(ReleaseState.FAILED)
    if release.state is ReleaseState.RAMPING:
        room = min(release.plan.pace.in_flight - members.in_flight, members.held, LARGEST_BATCH)
        return Send(room, canary=False, fresh=True) if room > 0 else Wait()
    if release.state is not ReleaseState.HOLDING or members.in_flight:
        return Wait()
    if release.tries >= release.plan.gate.max_tries:
        return Finish(ReleaseState.FAILED)
    return Send(1, canary=True, fresh=_wants_another(release)) if now >= release.gate_at else Wait()


def _wants_another(release: Release) -> bool:
    """Tell whether the next canary is a failure that was never tried, so that one bad one stops nobody for good."""
    turn = release.tries + 1
    return turn % ASK_ANOTHER == 0 or turn == release.plan.gate.max_tries


def after_canary_sent(release: Release) -> Release:
    """Note that the canary is out."""
    return replace(release, state=ReleaseState.CANARY, tries=release.tries + 1)


def after_success(release: Release) -> Release:
    """Let the rest follow a canary that came back well; the tries are counted anew."""
    return replace(release, state=ReleaseState.RAMPING, tries=0) if release.state is ReleaseState.CANARY else release


def after_failure(release: Release, gate_at: datetime) -> Release:
    """Close the gate again until `gate_at`; other redrives that fail meanwhile do not move it further."""
    if release.state not in (ReleaseState.CANARY, ReleaseState.RAMPING):
        return release
    return replace(release, state=ReleaseState.HOLDING, gate_at=gate_at)


def under(release: Release, plan: Plan, gate_at: datetime) -> Release:
    """Carry on under a newer plan: its gate, its tries, its route; what is in flight stays what it is."""
    return replace(release, plan=plan, state=ReleaseState.HOLDING, gate_at=gate_at, tries=0)


def distance(gate: Gate, tries: int) -> timedelta:
    """Give the wait before the next canary: it grows with each that failed, up to the gate's longest."""
    first = max(gate.first_after, LEAST_DISTANCE)
    try:
        seconds = first * gate.factor**tries
    except OverflowError:
        seconds = gate.max_distance
    return timedelta(seconds=min(seconds, gate.max_distance))


@dataclass(frozen=True, slots=True)
class ReleaseCounts:
    """A release in numbers; its first attempts are those that were the first of their failure."""

    first_attempts: int
    first_successes: int
    attempts: int
    successes: int


def release_payload(release: Release, incident: Incident, counts: ReleaseCounts) -> dict[str, Any]:
    """Give what a trigger tells a rule of a release that ended."""
    return {
        "incident_id": str(incident.id),
        "revision": incident.revision,
        "release_id": str(release.id),
        "kind": str(incident.kind),
        "task": incident.task,
        "first_attempts": counts.first_attempts,
        "first_successes": counts.first_successes,
        "attempts": counts.attempts,
        "successes": counts.successes,
    }
