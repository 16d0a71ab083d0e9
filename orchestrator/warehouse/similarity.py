"""How like a prompt is to one before it: the cosine of their sketches around their means, in one organisation.

The sketches of the newest WINDOW prompts stand in `prompt_sketches`, whosever they are, and in this process. Of those
that share a scope the nearest by signs (which buckets hold more than the mean) are compared count by count.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, replace
from heapq import nsmallest
from math import sqrt
from operator import mul
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select

from orchestrator.stores import insert_into
from orchestrator.warehouse.schema import prompt_sketches
from orchestrator.warehouse.values import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from orchestrator.warehouse.rows import Prompt, SimilarityRow

WINDOW: Final = 2_000
COMPARED: Final = 8
# Where near-duplicates begin: prompts with one word in eight replaced are above it, paraphrases far below.
NEAR_DUPLICATE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Known:
    """A sketch, with what each comparison needs of it."""

    prompt_hash: str
    scope: str
    counts: array[int]
    mean: float
    length: float
    signs: int


def known(prompt_hash: str, scope: str, counts: array[int]) -> Known:
    """Prepare a sketch for comparisons."""
    mean = sum(counts) / BUCKETS
    length = sqrt(max(0.0, sum(map(mul, counts, counts)) - BUCKETS * mean * mean))
    signs = int("".join("1" if count > mean else "0" for count in counts), 2)
    return Known(prompt_hash, scope, counts, mean, length, signs)


def cosine(one: Known, other: Known) -> float:
    """Give the cosine of two sketches around their means, from -1 to 1."""
    if not one.length or not other.length:
        return float(one.counts == other.counts)
    product: float = sum(map(mul, one.counts, other.counts)) - BUCKETS * one.mean * other.mean
    return max(-1.0, min(1.0, product / (one.length * other.length)))


class Recent:
    """The newest sketches, read from the warehouse as they are committed. For one thread: one lane carries prompts."""

    def __init__(self) -> None:
        self._sketches: deque[Known] = deque(maxlen=WINDOW)
        self._seq = 0

    def score(self, connection: Connection, prompts: Sequence[Prompt]) -> list[SimilarityRow]:
        """Score prompts in their order, each against those before it, and keep their sketches."""
        self._refresh(connection)
        seen, scored = list(self._sketches), []
        for prompt in prompts:
            this = known(prompt.row.prompt_hash, prompt.scope, prompt.counts)
            scored.append(_matched(prompt.row, this, seen))
            seen.append(this)
        _keep(connection, prompts)
        return scored

    def _refresh(self, connection: Connection) -> None:
        table = prompt_sketches.c
        query = select(table.seq, table.prompt_hash, table.scope, table.counts).where(table.seq > self._seq)
        for seq, prompt_hash, scope, counts in connection.execute(query.order_by(table.seq)):
            self._sketches.append(known(prompt_hash, scope, _unpack(counts)))
            self._seq = seq


def _matched(row: SimilarityRow, this: Known, seen: Iterable[Known]) -> SimilarityRow:
    comparable = [each for each in seen if each.scope == this.scope]
    nearest = nsmallest(COMPARED, comparable, key=lambda each: (each.signs ^ this.signs).bit_count())
    scores = [(round(cosine(this, each), 6), each.prompt_hash) for each in nearest]
    if not scores:
        return row
    score, prompt_hash = max(scores)
    return replace(row, similarity_score=score, matched_prompt_hash=prompt_hash)


def _keep(connection: Connection, prompts: Sequence[Prompt]) -> None:
    rows = [
        {"id": str(each.row.id), "prompt_hash": each.row.prompt_hash, "scope": each.scope, "counts": _pack(each.counts)}
        for each in prompts
    ]
    connection.execute(insert_into(prompt_sketches, connection.dialect).on_conflict_do_nothing(), rows)
    newest = select(func.max(prompt_sketches.c.seq)).scalar_subquery()
    connection.execute(delete(prompt_sketches).where(prompt_sketches.c.seq <= newest - WINDOW))


def _pack(counts: array[int]) -> bytes:
    return b"".join(count.to_bytes(2, "little") for count in counts)


def _unpack(packed: bytes) -> array[int]:
    return array("H", (int.from_bytes(packed[at : at + 2], "little") for at in range(0, len(packed), 2)))
