"""The ledger's rows of failures by what is known of them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, null, or_, select

from orchestrator.domain.searching import Found, Why
from orchestrator.ledger.codec import failure_value
from orchestrator.ledger.lines import LINE, line_value
from orchestrator.ledger.rows import Rows
from orchestrator.ledger.schema import failures
from orchestrator.ledger.selecting import DECLARED, HELD_BY, can_go, holder, selected, why_not

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row

    from orchestrator.domain.searching import FailureLine, Judging
    from orchestrator.domain.selection import Selection
    from orchestrator.domain.standing import StoredFailure


class SearchingRows(Rows):
    """The verbs on failures by what is known of them."""

    def survey(self, selection: Selection, judging: Judging) -> list[Found]:
        """Count the failures that a selection means, by incident, task, and why they cannot go."""
        table = failures.c
        why = why_not(judging).label("why")
        groups = (table.incident_id, table.task, table.idempotent, why, holder.c.command_id)
        query = select(*groups, func.count().label("number")).select_from(failures.outerjoin(holder, HELD_BY))
        query = query.where(self._selected(selection)).group_by(*groups)
        return [_found(row) for row in self._reading.execute(query)]

    def survey_first(self, selection: Selection, judging: Judging, limit: int, *, newest: bool) -> list[Found]:
        """Count those that can go among the first `limit` of them, by incident and task."""
        table = failures.c
        first = select(table.incident_id, table.task, table.idempotent).where(
            self._selected(selection), can_go(judging)
        )
        some = first.order_by(*in_order(newest=newest)).limit(limit).subquery().c
        groups = (some.incident_id, some.task, some.idempotent)
        nothing = (null().label("why"), null().label("command_id"))
        query = select(*groups, *nothing, func.count().label("number")).group_by(*groups)
        return [_found(row) for row in self._reading.execute(query)]

    def sample(
        self, selection: Selection, judging: Judging, why: Why | None, limit: int, asked_by: UUID | None = None
    ) -> list[StoredFailure]:
        """List the oldest failures that a selection means, and that cannot go for this reason (None: that can)."""
        reason = why_not(judging)
        mine = reason.is_(None) if why is None else reason == str(why)
        query = select(failures).select_from(failures.outerjoin(holder, HELD_BY)).where(self._selected(selection), mine)
        if asked_by is not None:
            query = query.where(holder.c.command_id == asked_by)
        return self._values(query.order_by(*in_order(newest=False)).limit(limit))

    def found(self, selection: Selection, limit: int, after: FailureLine | None = None) -> list[FailureLine]:
        """List the failures that a selection means, oldest first, behind `after`."""
        table = failures.c
        query = select(*LINE).where(self._selected(selection))
        if after:
            # The first condition is what an index is searched by, the second tells those of one moment apart.
            behind = or_(table.occurred_at > after.occurred_at, table.id > after.id)
            query = query.where(table.occurred_at >= after.occurred_at, behind)
        rows = self._reading.execute(query.order_by(*in_order(newest=False)).limit(limit))
        declared = lru_cache(json.loads)
        return [line_value(row, declared(row.declared).get("dependency")) for row in rows]

    def declared(self, selection: Selection) -> Sequence[str]:
        """List the different declarations of the failures that a selection means, each as the ledger has it (JSON)."""
        query = select(DECLARED).where(self._selected(selection)).distinct()
        return list(self._reading.execute(query).scalars())

    def _selected(self, selection: Selection) -> ColumnElement[bool]:
        return selected(selection, self._plain.dialect)

    def _values(self, query: Select[Any]) -> list[StoredFailure]:
        return [failure_value(row) for row in self._reading.execute(query).all()]


def in_order(*, newest: bool) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Give what failures are ordered by: when they failed, and of equals by their ids."""
    table = failures.c
    return (table.occurred_at.desc(), table.id.desc()) if newest else (table.occurred_at.asc(), table.id.asc())


def _found(row: Row[Any]) -> Found:
    why = Why(row.why) if row.why else None
    return Found(row.incident_id, row.task, row.idempotent, row.number, why, row.command_id if why else None)
