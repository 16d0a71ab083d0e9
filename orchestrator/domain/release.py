"""A release: held failures being redriven, canary first. Decisions only: frozen values in, frozen values out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.dependencies import ITS_OWN
from orchestrator.domain.pacing import Phase, room

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from orchestrator.domain.gates import Shut
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.pacing import Ramp
    from orchestrator.domain.plan import Gate, Plan


# A gate that opens at once still keeps the tries after the first apart.
LEAST_DISTANCE: Final = 0.5
# Redrives that one step publishes at most; `paused` takes effect between steps.
LARGEST_BATCH: Final = 500
# The same canary is tried again, so that an outage costs few first attempts; each eighth try asks another failure.
ASK_ANOTHER: Final = 8
ASK_ELSEWHERE: Final = 3
LARGEST_WINDOW: Final = 10_000
NO_ROOM: Final = "as many redrives to its dependency are in flight as its settings allow (max_in_flight)"
NO_BUDGET: Final = "the retry budget of its dependency is spent; it fills again by itself (redrive dependencies)"


class ReleaseState(StrEnum):
    """Where a release stands: behind its gate, waiting for its canary, ramping, or over."""

    HOLDING = "holding"
    CANARY = "canary"
    RAMPING = "ramping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"


class Halt(StrEnum):
    """Why nothing more of a release goes: a person lets it rest, or has ended it."""

    PAUSED = "paused"
    ABORTED = "aborted"


ENDED = frozenset({ReleaseState.SUCCEEDED, ReleaseState.FAILED, ReleaseState.ABORTED})


@dataclass(frozen=True, slots=True)
class Release:
    """One release. `command_id` is set when a person asked for it: it then covers the failures that were named, else
    it covers every held failure of its incident, the ones that come in while it runs included.

    `ramp` names what it shares gate, canary and window with; `tries` counts its own canaries that failed in a row.
    Nothing of it goes before `gate_at`. One that is `forced` heeds no gate: its person said why. While it is `halted`
    nothing of it goes at all. With `newest` it takes those first that failed last.
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
    ramp: str = ""
    forced: bool = False
    halted: Halt | None = None
    newest: bool = False

    @property
    def ended(self) -> bool:
        """Tell whether this release publishes nothing more."""
        return self.state in ENDED

    @property
    def exhausted(self) -> bool:
        """Tell whether its tries are used up."""
        return self.tries >= self.plan.gate.max_tries


def ramp_of(release: Release, incident: Incident) -> str:
    """Name the ramp that a release belongs to: its dependency's, where what failed speaks of that.

    Else the incident's own, and the release's own where a person asked for single failures or forces it.
    """
    if release.forced:
        return f"release {release.id}"
    if incident.dependency and incident.kind in ITS_OWN:
        return incident.dependency
    return f"release {release.id}" if release.command_id else f"incident {incident.id}"


@dataclass(frozen=True, slots=True)
class Members:
    """How many failures a release still has to move: held ones that may go, and redrives in flight."""

    held: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One release on its ramp. `decided` is False while the incident's former plan does not stand any more, and while a
    person holds the incident.
    """

    release: Release
    members: Members
    decided: bool = True

    @property
    def waits(self) -> bool:
        """Tell whether it has something that could go."""
        return self.decided and not self.release.halted and self.release.plan.redrives and self.members.held > 0


@dataclass(frozen=True, slots=True)
class Passage:
    """What the dependency lets through now: `shut` keeps canaries back, `barred` every redrive.

    `most` may be in flight together, `affordable` is what the retry budget allows.
    """

    shut: Shut | None = None
    barred: Shut | None = None
    most: int = LARGEST_WINDOW
    affordable: int = LARGEST_WINDOW


@dataclass(frozen=True, slots=True)
class Send:
    """Redrive this many failures of a release, one alone as a canary. `fresh`: those first that were never tried."""

    release: Release
    count: int
    canary: bool
    fresh: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """A release is over: nothing is left to move, or its tries are used up."""

    release: Release
    state: ReleaseState


@dataclass(frozen=True, slots=True)
class Moves:
    """What a ramp does next; `why` says what keeps back what could not go."""

    finishes: tuple[Finish, ...] = ()
    sends: tuple[Send, ...] = ()
    why: str | None = None


def next_moves(ramp: Ramp, entries: Sequence[Entry], passage: Passage, now: datetime) -> Moves:
    """Decide what the releases of one ramp do next; the first of the entries goes first.

    A gate that is shut waits; an open one lets one canary out; a ramp fills its window, within each plan's pace and the
    budget; nothing left ends a release. A plan that redrives nothing ends it as well, once nothing is in flight.
    """
    finishes = tuple(each for each in (_finish(entry, ramp) for entry in entries) if each)
    over = {each.release.id for each in finishes}
    waiting = [entry for entry in entries if entry.waits and entry.release.id not in over]
    if not waiting or ramp.phase is Phase.CANARY:
        return Moves(finishes)
    if ramp.phase is Phase.HOLDING:
        send, why = _canary(ramp, waiting, passage, now)
        return Moves(finishes, (send,) if send else (), why)
    flying = sum(entry.members.in_flight for entry in entries)
    sends, why = _fill(ramp, waiting, passage, flying, now)
    return Moves(finishes, sends, why)


def _finish(entry: Entry, ramp: Ramp) -> Finish | None:
    release, members = entry.release, entry.members
    if members.in_flight:
        return None
    if release.halted is Halt.ABORTED:
        return Finish(release, ReleaseState.ABORTED)
    if members.held == 0:
        return Finish(release, ReleaseState.SUCCEEDED)
    if not entry.decided or release.halted:
        return None
    tried = ramp.phase is Phase.HOLDING and release.exhausted
    return Finish(release, ReleaseState.FAILED) if tried or not release.plan.redrives else None


def _canary(ramp: Ramp, waiting: Sequence[Entry], passage: Passage, now: datetime) -> tuple[Send | None, str | None]:
    closed = passage.barred or passage.shut
    if closed:
        return None, closed.why
    if passage.affordable < 1:
        return None, NO_BUDGET
    if passage.most < 1:
        return None, NO_ROOM
    due = [each.release for each in waiting if now >= each.release.gate_at and not each.release.exhausted]
    if not due or (ramp.gate_at and now < ramp.gate_at):
        return None, None
    # The failure that was the canary before goes again, so that an outage costs few first attempts.
    # After a few that failed another release has its turn: one endpoint or queue that is broken keeps nobody else back.
    chosen = next((each for each in due if each.id == ramp.canary_release_id), due[0])
    if chosen.tries >= ASK_ELSEWHERE:
        chosen = min(due, key=lambda each: each.tries)
    return Send(chosen, 1, canary=True, fresh=_wants_another(chosen)), None


def _fill(
    ramp: Ramp, waiting: Sequence[Entry], passage: Passage, flying: int, now: datetime
) -> tuple[tuple[Send, ...], str | None]:
    if passage.barred:
        return (), passage.barred.why
    window = min(room(ramp, flying, passage.most), LARGEST_BATCH)
    left, sends = min(window, passage.affordable), []
    for entry in waiting:
        count = min(left, entry.release.plan.pace.in_flight - entry.members.in_flight, entry.members.held)
        if count > 0 and now >= entry.release.gate_at:
            sends.append(Send(entry.release, count, canary=False, fresh=True))
            left -= count
    return tuple(sends), NO_BUDGET if passage.affordable < window else None


def alone(release: Release) -> Release:
    """Give a release that has one redrive out at a time: for tasks that may take their worker with them."""
    return replace(release, plan=replace(release.plan, pace=replace(release.plan.pace, in_flight=1)))


def _wants_another(release: Release) -> bool:
    """Tell whether the next canary is a failure that was never tried, so that one bad one stops nobody for good."""
    turn = release.tries + 1
    return turn % ASK_ANOTHER == 0 or turn == release.plan.gate.max_tries


def after_canary_sent(release: Release) -> Release:
    """Note that a canary of this release is out."""
    return replace(release, state=ReleaseState.CANARY, tries=release.tries + 1)


def under(release: Release, plan: Plan, gate_at: datetime) -> Release:
    """Carry on under a newer plan: its gate, its tries, its route; what is in flight stays what it is."""
    return replace(release, plan=plan, gate_at=gate_at, tries=0)


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
