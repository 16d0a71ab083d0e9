"""Probing: dependencies that are not well are asked how they are, and what they say becomes evidence.

The questions are asked outside any transaction. A healthy dependency is not asked: that costs it, and tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from orchestrator.domain.commands import Mode
from orchestrator.domain.dependencies import Health
from orchestrator.domain.moment import Moment
from orchestrator.domain.probes import TaskProbe, believed, next_probe_at
from orchestrator.flows.health import note_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.domain.dependencies import Dependency, Policies
    from orchestrator.domain.ledger import Ledger
    from orchestrator.domain.ports import ProbeRuns
    from orchestrator.domain.probes import ProbeSpec


# Of one that was never asked.
EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
# Seconds at most: others may find meanwhile that a dependency is not well.
BETWEEN_LOOKS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Probing:
    """Asks what `specs` name, by dependency. `default_mode` holds until somebody sets one."""

    ledger: Ledger
    runs: ProbeRuns
    specs: Mapping[str, ProbeSpec]
    policies: Policies
    clock: Callable[[], datetime]
    jitter: Callable[[], float]
    default_mode: Mode

    def run_once(self) -> float:
        """Note what has come of probes, and begin those that are due; gives the seconds until the next look."""
        self._note()
        return self._begin()

    def _note(self) -> None:
        finished = self.runs.finished()
        if not finished:
            return
        with self.ledger.transaction() as tx:
            for name, result in finished:
                moment = Moment(self.clock(), self.jitter(), self.policies)
                next_at = next_probe_at(self.specs[name], result, moment.at, moment.jitter)
                note_probe(tx, name, believed(result), next_at, moment)

    def _begin(self) -> float:
        with self.ledger.reading() as tx:
            mode = tx.mode() or self.default_mode
            known = [each for each in tx.dependencies() if each.name in self.specs]
        asked = [each for each in known if may_ask(self.specs[each.name], mode)]
        times = sorted((at, each.name) for each in asked if (at := due_at(each)) is not None)
        now = self.clock()
        for at, name in times:
            if at <= now:
                self.runs.start(name, self.specs[name])
        return min([BETWEEN_LOOKS, *((at - now).total_seconds() for at, _ in times if at > now)])


def due_at(dependency: Dependency) -> datetime | None:
    """Tell when a dependency is to be asked: never while it is well, nor before the time that it asked for."""
    if dependency.health is Health.HEALTHY:
        return None
    return max(each for each in (EVER, dependency.probe_at, dependency.not_before) if each is not None)


def may_ask(spec: ProbeSpec, mode: Mode) -> bool:
    """Tell whether a mode allows a probe: one that publishes a task is only for the mode that publishes tasks."""
    return mode is Mode.ACT or not isinstance(spec, TaskProbe)
