"""How like a prompt is to those before it in one organisation: the cosine of their sketches, or of embedders' vectors.

Those of the newest prompts stand in `prompt_sketches`, whosever they are, and in this process, which reads them
there when it starts. docs/similarity.md says what is compared.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import delete, func, select

from orchestrator.similarity import NEAR_DUPLICATE as NEAR_DUPLICATE  # noqa: PLC0414 - re-exported: the demo tells it
from orchestrator.similarity import Rules, Window
from orchestrator.similarity.rules import SKETCH
from orchestrator.stores import insert_into, utc_now
from orchestrator.warehouse.schema import prompt_sim_logs, prompt_sketches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from orchestrator.similarity import Match
    from orchestrator.warehouse.rows import Prompt, SimilarityRow

STANDARD: Final = Rules()


class _Windows:
    """Sketches, and the vectors of embedders: each is compared with those of its own kind alone."""

    def __init__(self, rules: Rules) -> None:
        self.sketches = Window(rules, centred=True)
        self.vectors = Window(rules)

    def add(self, prompt: _Known) -> None:
        self.sketches.add(prompt.scope, prompt.name, prompt.at, prompt.counts)
        if prompt.vector is not None:
            self.vectors.add(prompt.vectors_scope, prompt.name, prompt.at, prompt.vector)

    def nearest(self, prompt: _Known) -> list[Match]:
        """Compare vectors where there is one, else sketches."""
        if prompt.vector is None:
            return self.sketches.nearest(prompt.scope, prompt.at, prompt.counts)
        return self.vectors.nearest(prompt.vectors_scope, prompt.at, prompt.vector)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is compared of a prompt; `scope` is JSON and begins with the organisation."""

    name: str
    at: datetime
    scope: str
    counts: array[int]
    embedder: str | None
    vector: array[float] | None

    @property
    def vectors_scope(self) -> str:
        return orjson.dumps([orjson.loads(self.scope)[0], self.embedder]).decode()


class Recent:
    """The newest prompts, read from the warehouse as they are committed; the relay and replays share it."""

    def __init__(self, rules: Rules = STANDARD) -> None:
        self._rules = rules
        self._windows = _Windows(rules)
        self._seq = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._windows.sketches)

    def score(self, connection: Connection, prompts: Sequence[Prompt]) -> list[SimilarityRow]:
        """Score prompts in their order, each against those before it, and keep what they are compared by.

        One that is in the log of prompts is left out: it would be compared with itself, and its row stays as it is.
        """
        new: dict[str, Prompt] = {}
        for prompt in prompts:
            new.setdefault(str(prompt.row.id), prompt)
        column = prompt_sim_logs.c.id
        there = set(connection.execute(select(column).where(column.in_(new))).scalars())
        with self._lock:
            return self._score(connection, [prompt for id_, prompt in new.items() if id_ not in there])

    def _score(self, connection: Connection, prompts: Sequence[Prompt]) -> list[SimilarityRow]:
        if not prompts:
            return []
        self._refresh(connection)
        # What is not committed yet: it is read back once it is.
        batch, scored = _Windows(self._rules), []
        for prompt in prompts:
            row = prompt.row
            known = _Known(row.prompt_hash, row.created_at, prompt.scope, prompt.counts, row.embedder, prompt.vector)
            found = [*batch.nearest(known), *self._windows.nearest(known)]
            # Of equals the first, which is the newest.
            scored.append(self._told(row, max(found, key=lambda match: match.score, default=None)))
            batch.add(known)
        self._keep(connection, prompts)
        return scored

    def _told(self, row: SimilarityRow, match: Match | None) -> SimilarityRow:
        if match is None:
            return row
        blocked = row.blocked or self._rules.blocked(match.score, row.embedder or SKETCH)
        return replace(row, similarity_score=match.score, matched_prompt_hash=match.name, blocked=blocked)

    def _refresh(self, connection: Connection) -> None:
        """Read what was committed since; how old one is, its row in the log of prompts tells."""
        table, row = prompt_sketches.c, prompt_sim_logs.c
        query = (
            select(
                table.seq, table.prompt_hash, row.created_at, table.scope, table.counts, table.embedder, table.vector
            )
            .select_from(prompt_sketches.outerjoin(prompt_sim_logs, table.id == row.id))
            .where(table.seq > self._seq)
            .order_by(table.seq)
        )
        for seq, name, at, scope, counts, embedder, vector in connection.execute(query):
            known = None if vector is None else _unpack("f", vector)
            self._windows.add(_Known(name, at or utc_now(), scope, _unpack("H", counts), embedder, known))
            self._seq = seq

    def _keep(self, connection: Connection, prompts: Sequence[Prompt]) -> None:
        rows = [
            {
                "id": str(each.row.id),
                "prompt_hash": each.row.prompt_hash,
                "scope": each.scope,
                "counts": _pack(each.counts),
                "embedder": each.row.embedder,
                "vector": None if each.vector is None else _pack(each.vector),
            }
            for each in prompts
        ]
        connection.execute(insert_into(prompt_sketches, connection.dialect).on_conflict_do_nothing(), rows)
        newest = select(func.max(prompt_sketches.c.seq)).scalar_subquery()
        connection.execute(delete(prompt_sketches).where(prompt_sketches.c.seq <= newest - self._rules.most))


def _pack(numbers: array[Any]) -> bytes:
    """Write counts as 16 bits each, and the numbers of a vector as 32, the low byte first."""
    return _low_first(array(numbers.typecode, numbers)).tobytes()


def _unpack(kind: str, packed: bytes) -> array[Any]:
    numbers: array[Any] = array(kind)
    numbers.frombytes(packed)
    return _low_first(numbers)


def _low_first(numbers: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
