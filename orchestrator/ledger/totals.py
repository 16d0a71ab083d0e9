"""Counts of what the rows no longer tell: they only grow, and are added to what the rows say."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import attempts, totals
from orchestrator.stores import insert_into

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.domain.standing import StoredFailure

FAILURES: Final = "failures"
FAILURE_STATES: Final = "failure_states"
INCIDENTS: Final = "incidents"
ATTEMPTS: Final = "attempts"
DUPLICATES: Final = "duplicates"
TABLE_ROWS: Final = "table_rows"
TABLE_BYTES: Final = "table_bytes"


def attempt_key(plan: str, state: str, turn: int) -> str:
    """Give the key under which attempts are counted for good."""
    return f"{plan}/{state}/{turn}"


class TotalRows(Rows):
    """The verbs on totals."""

    def forget_opening(self, stored: StoredFailure) -> None:
        """Count for good what a failure was, before it is opened again."""
        self._add_total(FAILURES, str(stored.counted_as), 1)
        self._add_total(FAILURE_STATES, str(stored.state), 1)

    def _add_total(self, name: str, key: str, number: int) -> None:
        self._put_total(name, key, number, adding=True)

    def _set_total(self, name: str, key: str, number: int) -> None:
        self._put_total(name, key, number, adding=False)

    def _put_total(self, name: str, key: str, number: int, *, adding: bool) -> None:
        statement = insert_into(totals, self._reading.dialect).values(name=name, key=key, number=number)
        new = statement.excluded.number
        changed = {"number": totals.c.number + new if adding else new}
        self._reading.execute(statement.on_conflict_do_update(index_elements=["name", "key"], set_=changed))

    def _totals(self, name: str) -> Mapping[str, int]:
        rows = self._reading.execute(select(totals.c.key, totals.c.number).where(totals.c.name == name))
        return {row.key: row.number for row in rows}

    def _with_totals(self, name: str, counted: Mapping[str, int]) -> dict[str, int]:
        """Add what is counted for good to what was counted from the rows."""
        frozen = self._totals(name)
        return {key: counted.get(key, 0) + frozen.get(key, 0) for key in {**counted, **frozen}}

    def _attempts_with_totals(self) -> dict[tuple[str, str, int], int]:
        """Count attempts by (plan, state, turn), those that are gone included."""
        columns = (attempts.c.plan, attempts.c.state, attempts.c.turn)
        rows = self._reading.execute(select(*columns, func.count()).group_by(*columns))
        counted = Counter({(row[0], row[1], row[2]): row[3] for row in rows})
        for key, number in self._totals(ATTEMPTS).items():
            plan, state, turn = key.rsplit("/", 2)
            counted[plan, state, int(turn)] += number
        return dict(counted)
