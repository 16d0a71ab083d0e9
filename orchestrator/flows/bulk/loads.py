"""What a recovery would add to what it leans on: its incidents by their ramps, with how long their tasks ran lately."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.budget import rate, refilled
from orchestrator.domain.dependencies import Dependency
from orchestrator.domain.estimates import Lane, Load, load_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.domain.dependencies import Policies
    from orchestrator.domain.incidents import Incident
    from orchestrator.domain.ledger import LedgerTx
    from orchestrator.domain.plan import Plan

# Runs that ended longer ago tell nothing of how long one takes now.
LATELY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Loads:
    """Estimates within one transaction that reads."""

    tx: LedgerTx
    policies: Policies
    now: datetime

    def of(self, going: Sequence[tuple[Incident, int]], plan: Plan, *, forced: bool) -> tuple[Load, ...]:
        """Estimate the load of so many failures of each of these incidents, by what they lean on."""
        by_name: defaultdict[str | None, list[tuple[Incident, int]]] = defaultdict(list)
        for incident, count in going:
            by_name[incident.dependency].append((incident, count))
        return tuple(load_of(self._lane(name, mine, plan, forced=forced)) for name, mine in by_name.items())

    def _lane(self, name: str | None, mine: Sequence[tuple[Incident, int]], plan: Plan, *, forced: bool) -> Lane:
        policy = self.policies.of(name or "")
        known = refilled((self.tx.dependency(name) if name else None) or Dependency(name or ""), policy, self.now)
        tasks = sorted({incident.task for incident, _ in mine})
        runs, run_seconds = self.tx.run_seconds(tasks, self.now - LATELY)
        return Lane(
            dependency=name,
            failures=sum(count for _, count in mine),
            pace=plan.pace.in_flight * len(mine),
            policy=policy,
            rate=rate(known, policy),
            tokens=known.tokens or 0.0,
            run_seconds=run_seconds,
            runs=runs,
            forced=forced,
        )
