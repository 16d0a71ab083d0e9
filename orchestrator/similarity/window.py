"""The newest vectors of each scope, and the nearest of them to a new one: each is compared, none is guessed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING, Final

from orchestrator.similarity.block import ROOM, Block, filled
from orchestrator.similarity.vectors import Vector, cosine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from orchestrator.similarity.block import Filled
    from orchestrator.similarity.rules import Rules

DIGITS: Final = 6
# Twice what rounding may move a score.
TOLERANCE: Final = 2e-6


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """How like a vector is, rounded to six digits, and the name of it; of equal scores the greater name is first."""

    score: float
    name: str


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    at: datetime
    vector: Vector


_Compared = tuple[_Entry, int]


class _Scope:
    """The vectors that may be compared with each other, oldest first; a block goes once all of it may go."""

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self._blocks: deque[Block] = deque()
        # How many of the first block have gone already.
        self._gone = 0

    def add(self, entry: _Entry, counts: Filled) -> None:
        if not self._blocks or self._blocks[-1].full:
            self._blocks.append(Block())
        self._blocks[-1].add(counts)
        self.entries.append(entry)

    def drop_oldest(self) -> None:
        self.entries.popleft()
        self._gone += 1
        if self._gone == ROOM:
            self._blocks.popleft()
            self._gone = 0

    def products(self, counts: Filled) -> Iterator[int]:
        """Give the product with each entry, in their order."""
        skipped = self._gone
        for block in self._blocks:
            yield from block.products(counts)[skipped:]
            skipped = 0


class Window:
    """What may be compared, bounded by count and age in each scope, and by count in all. For one thread.

    A vector of 512 counts takes some 5 KB where its scope has many, and up to 28 KB where it has a scope of its own.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._scopes: dict[str, _Scope] = {}
        self._order: deque[str] = deque()

    def __len__(self) -> int:
        return sum(len(scope.entries) for scope in self._scopes.values())

    def add(self, scope: str, name: str, at: datetime, counts: Sequence[int]) -> None:
        """Keep a vector; the oldest of its scope, or of all, makes room."""
        here = self._scopes.setdefault(scope, _Scope())
        here.add(_Entry(name, at, Vector.of(counts)), filled(counts))
        self._order.append(scope)
        if len(here.entries) > self._rules.count:
            self._order.remove(scope)
            self._drop(scope)
        if len(self._order) > self._rules.most:
            self._drop(self._order.popleft())

    def nearest(self, scope: str, at: datetime, counts: Sequence[int], most: int = 1) -> list[Match]:
        """Give the nearest ones of a scope, best first, of those that were not too old by `at`."""
        here = self._scopes.get(scope)
        if here is None:
            return []
        this, since = Vector.of(counts), at - self._rules.age
        compared = [
            (entry, product)
            for entry, product in zip(here.entries, here.products(filled(counts)), strict=True)
            if entry.at >= since
        ]
        matches = (
            Match(round(cosine(this, entry.vector, product), DIGITS), entry.name)
            for entry, product in _worth_a_look(this, compared, most)
        )
        return nlargest(most, matches)

    def _drop(self, scope: str) -> None:
        here = self._scopes[scope]
        here.drop_oldest()
        if not here.entries:
            del self._scopes[scope]


def _worth_a_look(this: Vector, compared: list[_Compared], most: int) -> list[_Compared]:
    """Leave out what cannot be among the nearest, by a quick score that is right to far more digits than are told."""
    if not this.spread or len(compared) <= most:
        return compared
    size, total, root = this.size, this.total, this.root
    quick = [
        (size * product - total * entry.vector.total) / (root * (entry.vector.root or 1.0))
        for entry, product in compared
    ]
    least = nlargest(most, quick)[-1] - TOLERANCE
    return [each for each, score in zip(compared, quick, strict=True) if score >= least]
