"""How redrives went, as rows tell it, for predictions: a few statements, however many attempts there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, select

from orchestrator.domain.attempts import AttemptState
from orchestrator.domain.failures import FailureState, Kind
from orchestrator.domain.prediction import Tried
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, failures, incidents, releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement

# Outcomes that are read of a signature, and of all together: older ones would hardly count.
MOST_OF_SIGNATURE: Final = 200
MOST_OF_ALL: Final = 1_000
# Signatures that are asked for by themselves, those first of which least is known.
MOST_SIGNATURES: Final = 10
# Incidents of all these, the newest ones.
MOST_INCIDENTS: Final = 1_000


class PredictingRows(Rows):
    """The verbs on how redrives went."""

    def tried(self, signatures: Sequence[str], since: datetime) -> list[Tried]:
        """List how redrives went that ended `since`: the newest of each of these signatures, and the newest of all."""
        found = self._ended(since, MOST_OF_ALL)
        heard = Counter(each.signature for each in found.values())
        least = [each for each in sorted(set(signatures), key=heard.__getitem__) if heard[each] < MOST_OF_SIGNATURE]
        for ids in self._looking_like(least[:MOST_SIGNATURES]).values():
            found |= self._ended(since, MOST_OF_SIGNATURE, attempts.c.incident_id.in_(ids))
        return list(found.values())

    def _looking_like(self, signatures: Sequence[str]) -> Mapping[str, list[UUID]]:
        """Give the newest incidents, open or closed, of each of these signatures."""
        query = select(incidents.c.signature, incidents.c.id).where(incidents.c.signature.in_(signatures))
        found: defaultdict[str, list[UUID]] = defaultdict(list)
        for signature, incident_id in self._reading.execute(
            query.order_by(incidents.c.opened_at.desc()).limit(MOST_INCIDENTS)
        ).all():
            found[signature].append(incident_id)
        return found

    def _ended(self, since: datetime, most: int, *where: ColumnElement[bool]) -> dict[UUID, Tried]:
        """Read the newest that ended, by their ids. Which of them ran is told from the rows: a condition on their state
        would have SQLite read them by that, and sort them all.
        """
        table = attempts.c
        wanted = (table.id, table.incident_id, table.release_id, table.turn, table.state, table.published_at)
        newest = (
            select(*wanted, table.ended_at)
            .where(table.ended_at >= since, *where)
            .order_by(table.ended_at.desc())
            .limit(most)
            .subquery()
        )
        query = (
            select(newest, incidents.c.signature, incidents.c.dependency, incidents.c.kind, releases.c.forced)
            .join(incidents, incidents.c.id == newest.c.incident_id)
            .join(releases, releases.c.id == newest.c.release_id)
        )
        return {row.id: _tried(row) for row in self._reading.execute(query).all() if _ran(row)}

    def redriven_before(self, incident_ids: Sequence[UUID]) -> Mapping[UUID, int]:
        """Count, for each incident, the failures that wait, are nobody's, and were redriven since they were opened."""
        table = failures.c
        waiting = table.state.in_([str(FailureState.HELD), str(FailureState.DEAD)])
        again = and_(waiting, table.command_release_id.is_(None), table.attempts > table.attempts_before)
        query = select(table.incident_id, func.count()).where(table.incident_id.in_(list(incident_ids)), again)
        rows = self._reading.execute(query.group_by(table.incident_id)).all()
        return {incident_id: number for incident_id, number in rows}  # noqa: C416 - rows are no tuples for mypy


def _ran(row: Any) -> bool:  # noqa: ANN401 - a row of the query above
    """Tell whether it was seen to run to its end: one that was never published tells nothing of a run."""
    failed = row.state == AttemptState.FAILED and row.published_at is not None
    return failed or row.state == AttemptState.SUCCEEDED


def _tried(row: Any) -> Tried:  # noqa: ANN401 - a row of the query above
    return Tried(
        signature=row.signature,
        dependency=row.dependency,
        kind=Kind(row.kind),
        at=row.ended_at,
        succeeded=row.state == AttemptState.SUCCEEDED,
        first=row.turn == 1,
        forced=row.forced,
    )
