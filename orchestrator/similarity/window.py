"""The newest vectors of each scope, and the nearest of them to a new one: each is compared, none is guessed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.similarity.ring import Ring
from orchestrator.similarity.vectors import direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.similarity.rules import Rules

# Vectors of other lengths are never compared, whatever their scope.
_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Match:
    """How like a vector is, from -1 to 1 rounded to six digits, and the name of it."""

    score: float
    name: str


class Window:
    """What may be compared, bounded by count and age in each scope, and by count and bytes in all. For one thread.

    `centred` compares vectors around their means, as sketches are: their counts are never below 0.
    """

    def __init__(self, rules: Rules, *, centred: bool = False) -> None:
        self._rules = rules
        self._centred = centred
        self._rings: dict[_Key, Ring] = {}
        self._order: deque[_Key] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._order)

    def add(self, scope: str, name: str, at: datetime, values: Sequence[float]) -> None:
        """Keep a vector; the oldest of its scope, or of all, makes room. One that points nowhere is like none."""
        key = scope, len(values)
        ring = self._rings.get(key)
        if ring is not None and len(ring) == self._rules.count:
            self._order.remove(key)
            self._drop(key)
        if key not in self._rings:
            self._rings[key] = Ring(len(values))
        ring = self._rings[key]
        ring.add(name, at.timestamp(), direction(values, centred=self._centred))
        self._order.append(key)
        self._bytes += ring.row_bytes
        while len(self._order) > self._rules.most or (self._bytes > self._rules.room and len(self._order) > 1):
            self._drop(self._order.popleft())

    def nearest(self, scope: str, at: datetime, values: Sequence[float], most: int = 1) -> list[Match]:
        """Give the nearest ones of a scope that were not too old by `at`: the best first, of equals the newest."""
        ring = self._rings.get((scope, len(values)))
        if ring is None:
            return []
        since = at.timestamp() - self._rules.age.total_seconds()
        found = ring.nearest(direction(values, centred=self._centred), since, most)
        return [Match(score, name) for score, name in found]

    def _drop(self, key: _Key) -> None:
        ring = self._rings[key]
        ring.drop_oldest()
        self._bytes -= ring.row_bytes
        if not ring:
            del self._rings[key]
