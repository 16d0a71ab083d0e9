"""Vectors of counts, and the cosine of two of them around their means, in whole numbers up to the last division."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Vector:
    """What a comparison needs of `size` counts: their sum, and `spread`, size * (sum of squares) - sum ** 2.

    The spread is never below 0, and 0 for counts that are all alike: they point nowhere around their mean.
    """

    size: int
    total: int
    spread: int
    root: float

    @classmethod
    def of(cls, counts: Sequence[int]) -> Vector:
        """Sum the counts up."""
        size, total = len(counts), sum(counts)
        spread = size * sum(map(mul, counts, counts)) - total * total
        return cls(size, total, spread, sqrt(spread))


def cosine(one: Vector, other: Vector, product: int) -> float:
    """Give the cosine around the means, from -1 to 1; `product` is the sum of the products, count by count.

    Where one of them points nowhere, it is 1 for the same counts and 0 for others: never a NaN.
    """
    if not one.spread or not other.spread:
        return float(one == other)
    around = one.size * product - one.total * other.total
    return max(-1.0, min(1.0, around / (one.root * other.root)))
