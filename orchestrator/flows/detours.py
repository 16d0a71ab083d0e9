"""Detours: while the gate at home is shut, failures go to other targets of the table, over a ramp of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.budget import affordable, refilled, spent
from orchestrator.domain.gates import barred
from orchestrator.domain.pacing import Phase
from orchestrator.domain.release import LARGEST_BATCH
from orchestrator.flows.health import known
from orchestrator.flows.rerouting import leaned_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from orchestrator.domain.attempts import Attempt
    from orchestrator.domain.dependencies import Dependency, Policies
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.pacing import Ramp
    from orchestrator.domain.release import Entry, Release
    from orchestrator.domain.routes.decisions import Decision
    from orchestrator.domain.standing import StoredFailure
    from orchestrator.flows.grouping import Ramped
    from orchestrator.flows.rerouting import Router

Going = tuple["StoredFailure", "Decision | None"]
NO_ROUTE: Final = "no route: "
# Failures that one step looks at for one that has somewhere to go: constraints may close the table for single ones.
# Each is read whole, its body too.
LOOKED_AT: Final = 200
# Where none of them has, the table is looked at again so much later: nobody can be told when a route opens.
LOOK_AGAIN: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Lane:
    """What an attempt went over: a ramp, and what it leaned on. `shared` is the ramp of the dependency at home."""

    ramp: str
    dependency: str | None
    shared: bool = False
    detour: bool = False


def lane_of(attempt: Attempt, release: Release, incident: Incident) -> Lane:
    """Tell what an attempt went over: of a release that waits for home, those that went elsewhere took a detour."""
    dependency = leaned_on(attempt, incident.dependency)
    shared = bool(incident.dependency) and release.ramp == incident.dependency
    chosen = attempt.decision.chosen if attempt.decision else None
    if shared and by_table(release) and chosen is not None and not chosen.is_home:
        return Lane(detour_of(release), dependency, detour=True)
    return Lane(release.ramp, dependency, shared=shared)


def by_table(release: Release) -> bool:
    """Tell whether each failure of a release goes to a target of the table."""
    return release.plan.route is not None and release.plan.route.table


def detour_of(release: Release) -> str:
    """Name the ramp of a release's detours."""
    return f"detour {release.id}"


def wanted(ramped: Ramped, ramp: Ramp, dependency: Dependency, now: datetime) -> list[Entry]:
    """List the releases of a ramp that may take detours now: those by the table, while home is not to be had.

    One that goes at the times of a schedule takes none.
    """
    shared = bool(ramped.dependency) and ramped.ramp.name == ramped.dependency
    shut = dependency.unwell or barred(dependency, now) is not None
    if not shared or not shut or ramp.phase is Phase.RAMPING:
        return []
    plans = [each for each in ramped.entries if by_table(each.release) and each.release.plan.gate.schedule is None]
    return [each for each in plans if each.waits]


def on_detour(tx: LedgerTx, entry: Entry, ramp: Ramp, now: datetime) -> Entry:
    """Give a release as its detours see it: behind the gate of its plan and theirs, not behind that of home."""
    release, gate = entry.release, entry.release.plan.gate
    opens = gate.at or (release.started_at or now) + timedelta(seconds=gate.first_after)
    seen = replace(release, gate_at=max(opens, ramp.gate_at or opens), tries=ramp.tries)
    return replace(entry, release=seen, members=tx.members(release))


def look_again(tx: LedgerTx, release: Release, ramp: Ramp, now: datetime) -> None:
    """Note when to look for a route again: a detour's ramp waits, or the release itself."""
    if ramp.name != release.ramp:
        tx.save_ramp(replace(ramp, gate_at=now + LOOK_AGAIN))
    else:
        tx.save_release(replace(release, gate_at=now + LOOK_AGAIN))


def looked_at(release: Release) -> int:
    """Give how many held failures of a release a step looks at."""
    return LOOKED_AT if by_table(release) else LARGEST_BATCH


def routed(
    router: Router, release: Release, held: Iterable[StoredFailure], count: int, *, home_open: bool
) -> tuple[list[Going], Decision | None]:
    """Take `count` failures at most that have somewhere to go; gives the first decision that leads nowhere too."""
    going: list[Going] = []
    closed = None
    for stored in held:
        if len(going) == count:
            break
        decision = router.decide(stored, release.plan, home_open=home_open)
        if decision is None or decision.chosen is not None:
            going.append((stored, decision))
        else:
            closed = closed or decision
    return going, closed


def told(tx: LedgerTx, release: Release, going: Sequence[Going], closed: Decision | None) -> Release:
    """Have a release say that no route is open, and the incident where that does not pass by itself; and no longer
    once something goes.
    """
    note = closed.note if closed and not going else None
    if note is None and not (going and (release.note or "").startswith(NO_ROUTE)):
        return release
    if note == release.note:
        return release
    said = replace(release, note=note)
    tx.save_release(said)
    incident = tx.incident(release.incident_id)
    if incident and closed and note and not closed.waits:
        tx.save_incident(replace(incident, note=f"{note}; change the routes or the plan"))
    elif incident and note is None and (incident.note or "").startswith(NO_ROUTE):
        tx.save_incident(replace(incident, note=None))
    return said


def health_of(tx: LedgerTx, policies: Policies, now: datetime) -> Callable[[str], str | None]:
    """Give what tells how a dependency is for whoever wants to go there; None of one of which nothing is known."""

    def of(name: str) -> str | None:
        dependency = tx.dependency(name)
        if dependency is None:
            return None
        if barred(dependency, now):
            return "held"
        broke = affordable(refilled(dependency, policies.of(name), now)) < 1
        return "out of budget" if broke and not dependency.unwell else str(dependency.health)

    return of


def within_budget(tx: LedgerTx, policies: Policies, going: Iterable[Going], now: datetime) -> list[Going]:
    """Keep of what goes elsewhere as many as the budgets there allow; the others wait."""
    left: dict[str, int] = {}
    kept = []
    for stored, decision in going:
        name = _elsewhere(stored, decision)
        if name:
            room = left.setdefault(name, affordable(refilled(known(tx, name), policies.of(name), now)))
            left[name] = room - 1
            if room < 1:
                continue
        kept.append((stored, decision))
    return kept


def _elsewhere(stored: StoredFailure, decision: Decision | None) -> str | None:
    name = decision.chosen.dependency if decision and decision.chosen else None
    return name if name != stored.failure.declaration.dependency else None


def spend(tx: LedgerTx, policies: Policies, going: Iterable[Going], now: datetime) -> None:
    """Draw on the budgets of what these failures will lean on elsewhere."""
    for stored, decision in going:
        name = _elsewhere(stored, decision)
        if name:
            before = known(tx, name)
            tx.save_dependency(spent(refilled(before, policies.of(name), now), 1))
