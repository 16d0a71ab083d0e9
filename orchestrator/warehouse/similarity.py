"""How like a prompt is to those before it: the cosine of their sketches around their means, in one organisation.

The sketches of the newest prompts stand in `prompt_sketches`, whosever they are, and in this process, which reads them
there when it starts. docs/similarity.md says what is compared.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select

from orchestrator.similarity import NEAR_DUPLICATE as NEAR_DUPLICATE  # noqa: PLC0414 - re-exported: the demo tells it
from orchestrator.similarity import Rules, Window
from orchestrator.stores import insert_into, utc_now
from orchestrator.warehouse.schema import prompt_sim_logs, prompt_sketches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from orchestrator.similarity import Match
    from orchestrator.warehouse.rows import Prompt, SimilarityRow

STANDARD: Final = Rules()


class Recent:
    """The newest sketches, read from the warehouse as they are committed. For one thread: one lane carries prompts."""

    def __init__(self, rules: Rules = STANDARD) -> None:
        self._rules = rules
        self._window = Window(rules, centred=True)
        self._seq = 0

    def __len__(self) -> int:
        return len(self._window)

    def score(self, connection: Connection, prompts: Sequence[Prompt]) -> list[SimilarityRow]:
        """Score prompts in their order, each against those before it, and keep their sketches."""
        self._refresh(connection)
        # What is not committed yet: it is read back once it is.
        batch, scored = Window(self._rules, centred=True), []
        for prompt in prompts:
            at = prompt.row.created_at
            found = [
                *batch.nearest(prompt.scope, at, prompt.counts),
                *self._window.nearest(prompt.scope, at, prompt.counts),
            ]
            # Of equals the first, which is the newest.
            scored.append(self._told(prompt.row, max(found, key=lambda match: match.score, default=None)))
            batch.add(prompt.scope, prompt.row.prompt_hash, at, prompt.counts)
        self._keep(connection, prompts)
        return scored

    def _told(self, row: SimilarityRow, match: Match | None) -> SimilarityRow:
        if match is None:
            return row
        blocked = row.blocked or self._rules.blocked(match.score)
        return replace(row, similarity_score=match.score, matched_prompt_hash=match.name, blocked=blocked)

    def _refresh(self, connection: Connection) -> None:
        """Read what was committed since; how old one is, its row in the log of prompts tells."""
        table, row = prompt_sketches.c, prompt_sim_logs.c
        query = (
            select(table.seq, table.prompt_hash, table.scope, table.counts, row.created_at)
            .select_from(prompt_sketches.outerjoin(prompt_sim_logs, table.id == row.id))
            .where(table.seq > self._seq)
            .order_by(table.seq)
        )
        for seq, prompt_hash, scope, counts, at in connection.execute(query):
            self._window.add(scope, prompt_hash, at or utc_now(), _unpack(counts))
            self._seq = seq

    def _keep(self, connection: Connection, prompts: Sequence[Prompt]) -> None:
        rows = [
            {
                "id": str(each.row.id),
                "prompt_hash": each.row.prompt_hash,
                "scope": each.scope,
                "counts": _pack(each.counts),
            }
            for each in prompts
        ]
        connection.execute(insert_into(prompt_sketches, connection.dialect).on_conflict_do_nothing(), rows)
        newest = select(func.max(prompt_sketches.c.seq)).scalar_subquery()
        connection.execute(delete(prompt_sketches).where(prompt_sketches.c.seq <= newest - self._rules.most))


def _pack(counts: array[int]) -> bytes:
    """Write counts as 16 bits each, the low byte first."""
    return _low_first(array("H", counts)).tobytes()


def _unpack(packed: bytes) -> array[int]:
    counts = array("H")
    counts.frombytes(packed)
    return _low_first(counts)


def _low_first(counts: array[int]) -> array[int]:
    if sys.byteorder == "big":
        counts.byteswap()
    return counts
