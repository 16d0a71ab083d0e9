"""Sums over the rows of one incident, for its postmortem."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from orchestrator.domain.failures import FailureState
from orchestrator.domain.postmortem import AttemptSums, FailureSums
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failures, releases

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class SummingRows(Rows):
    """The verbs that add up."""

    def failure_sums(self, incident_id: UUID, now: datetime) -> FailureSums:
        """Add the failures of an incident up. Seconds are added here: each database has its own words for them."""
        table, mine = failures.c, failures.c.incident_id == incident_id
        states: Counter[str] = Counter()
        waited, redelivered = 0.0, 0
        columns = (table.state, table.occurred_at, table.closed_at, table.attempts)
        for state, occurred_at, closed_at, tried in self._reading.execute(select(*columns).where(mine)):
            states[state] += 1
            waited += max(0.0, ((closed_at or now) - occurred_at).total_seconds())
            redelivered += state == str(FailureState.RECOVERED) and not tried
        ends = select(func.min(table.occurred_at), func.max(table.occurred_at), func.count(table.task_id.distinct()))
        first_at, last_at, tasks = self._reading.execute(ends.where(mine)).one()
        return FailureSums(states.total(), tasks, first_at, last_at, waited, redelivered, dict(states))

    def attempt_sums(self, incident_id: UUID) -> AttemptSums:
        """Add the redrives of an incident's releases up, those that are still recorded."""
        table = attempts.c
        mine = table.release_id.in_(select(releases.c.id).where(releases.c.incident_id == incident_id))
        groups = select(table.plan, table.state, func.count()).where(mine).group_by(table.plan, table.state)
        by_plan: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for plan, state, number in self._reading.execute(groups):
            by_plan[plan][state] = number
        ends = select(func.sum(table.duplicates), func.min(table.recorded_at), func.max(table.ended_at)).where(mine)
        duplicates, first_at, last_end = self._reading.execute(ends).one()
        return AttemptSums(dict(by_plan), int(duplicates or 0), first_at, last_end)

    def redriven_at(self, incident_id: UUID) -> list[datetime]:
        """List the times at which redrives of an incident's releases were recorded or ended, each once, in order."""
        table = attempts.c
        mine = table.release_id.in_(select(releases.c.id).where(releases.c.incident_id == incident_id))
        ended = select(table.ended_at).where(mine, table.ended_at.is_not(None))
        moments = select(table.recorded_at).where(mine).union(ended).subquery()
        return sorted(self._reading.execute(select(moments.c.recorded_at)).scalars())
