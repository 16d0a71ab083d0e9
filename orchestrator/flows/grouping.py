"""Grouping: which releases go over which ramp, each with what it has still to move."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.domain.failures import Kind
from orchestrator.domain.pacing import Ramp
from orchestrator.domain.release import Entry, ReleaseState, alone, ramp_of, under
from orchestrator.flows.gates import first_gate, on_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.release import Release


@dataclass(frozen=True, slots=True)
class Ramped:
    """One ramp with its releases, the oldest first; `dependency` is empty where they lean on none that is named."""

    ramp: Ramp
    dependency: str
    entries: tuple[Entry, ...]

    @property
    def forced(self) -> bool:
        """Tell whether a person wants it to go whatever speaks against it."""
        return all(entry.release.forced for entry in self.entries)

    def closed(self, now: datetime) -> bool:
        """Tell whether nothing is out, and all that waits keeps to times ahead: a canary goes first then."""
        if any(entry.members.in_flight for entry in self.entries):
            return False
        waiting = [entry.release for entry in self.entries if entry.waits]
        return bool(waiting) and all(each.plan.gate.schedule and now < each.gate_at for each in waiting)


def group(tx: LedgerTx, now: datetime) -> list[Ramped]:
    """Give every ramp on which a release goes, those first whose oldest release is oldest."""
    ramps = {ramp.name: ramp for ramp in tx.ramps()}
    found: dict[str, tuple[str, list[Entry]]] = {}
    for release in tx.active_releases():
        incident = tx.incident(release.incident_id)
        if incident is None:
            continue
        current = _timed(tx, _placed(tx, _up_to_date(tx, release, incident, now), incident, ramps), now)
        entry = Entry(_paced(current, incident), tx.members(current), _decided(current, incident))
        found.setdefault(current.ramp, (incident.dependency or "", []))[1].append(entry)
    return [Ramped(ramps.get(name) or Ramp(name), *_tupled(each)) for name, each in found.items()]


def _tupled(each: tuple[str, list[Entry]]) -> tuple[str, tuple[Entry, ...]]:
    return each[0], tuple(each[1])


def waited_for(groups: Iterable[Ramped]) -> set[str]:
    """Name the dependencies for which redrives wait."""
    return {each.dependency for each in groups if any(entry.waits for entry in each.entries)}


def in_flight(groups: Iterable[Ramped]) -> Counter[str]:
    """Count the redrives in flight by the dependency that they lean on, over all of its ramps."""
    flying: Counter[str] = Counter()
    for each in groups:
        flying[each.dependency] += sum(entry.members.in_flight for entry in each.entries)
    return flying


def _placed(tx: LedgerTx, release: Release, incident: Incident, ramps: dict[str, Ramp]) -> Release:
    """Put a release on its ramp: a new one, or one whose incident is of another kind by now."""
    name = ramp_of(release, incident)
    if name == release.ramp:
        return release
    ramp = ramps.get(name) or Ramp(name)
    placed = replace(release, ramp=name, state=ReleaseState(str(ramp.phase)))
    tx.save_release(placed)
    return placed


def _up_to_date(tx: LedgerTx, release: Release, incident: Incident, now: datetime) -> Release:
    """Carry on under the plan that the incident has got since; a person's release keeps its own."""
    if release.command_id or incident.plan is None or incident.plan == release.plan:
        return release
    newer = under(release, incident.plan, first_gate(incident.plan, now))
    tx.save_release(newer)
    return newer


def _timed(tx: LedgerTx, release: Release, now: datetime) -> Release:
    """Hold a release to the times of its schedule: what was missed, and windows that have closed (docs/cron.md)."""
    timed = on_schedule(release, now)
    if timed != release:
        tx.save_release(timed)
    return timed


def _paced(release: Release, incident: Incident) -> Release:
    lost = incident.kind is Kind.WORKER_LOST and release.command_id is None
    return alone(release) if lost else release


def _decided(release: Release, incident: Incident) -> bool:
    """Tell whether a release may go: not while a person holds its incident, or the rules are asked again."""
    if incident.held_by and not release.forced:
        return False
    return release.command_id is not None or incident.plan is not None
