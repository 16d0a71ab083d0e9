"""Quantiles of durations that come in clusters, fast enough to be asked thousands of times with other weights."""

from __future__ import annotations

import math
from bisect import bisect_left
from operator import mul
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Between two stored rows of counts the values are walked through one by one.
STRIDE: Final = 32


class Clusters:
    """Values in clusters (a block of a run, a window of time), sorted once, that quantiles are then taken of.

    A weight says how often a cluster counts: a bootstrap's draw of whole clusters is a vector of weights, and its
    quantile costs a search in place of a sort.
    """

    def __init__(self, clusters: Sequence[Sequence[float]]) -> None:
        ordered = sorted((value, which) for which, values in enumerate(clusters) for value in values)
        self._values = [value for value, _ in ordered]
        self._of = [which for _, which in ordered]
        self._sizes = [len(values) for values in clusters]
        self._rows = self._counted()

    def __len__(self) -> int:
        """Count all values."""
        return len(self._values)

    def quantile(self, share: float, weights: Sequence[int]) -> float | None:
        """Give the least value that `share` of the weighted values do not exceed; None where no value has a weight."""
        total = sum(map(mul, self._sizes, weights))
        if not total:
            return None
        wanted = max(1, math.ceil(share * total - 1e-9))
        row = bisect_left(self._rows, wanted, key=lambda counts: sum(map(mul, counts, weights))) - 1
        return self._walk(row, wanted, weights)

    def _walk(self, row: int, wanted: int, weights: Sequence[int]) -> float:
        seen = sum(map(mul, self._rows[row], weights))
        at = row * STRIDE
        while (seen := seen + weights[self._of[at]]) < wanted:
            at += 1
        return self._values[at]

    def _counted(self) -> list[tuple[int, ...]]:
        """Count, before every so many values, how many of each cluster came."""
        counts, rows = [0] * len(self._sizes), []
        for at, which in enumerate(self._of):
            if at % STRIDE == 0:
                rows.append(tuple(counts))
            counts[which] += 1
        return rows
