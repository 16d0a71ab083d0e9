"""Student's t distribution: how likely so large a t is by chance, and how large a t a chance has.

By the regularised incomplete beta function as a continued fraction (Abramowitz and Stegun 26.5.8 and 26.7.1),
evaluated by Lentz's method.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import count
from typing import Final

TINY: Final = 1e-300
EXACT: Final = 1e-14
MOST_TERMS: Final = 500
HALVINGS: Final = 60


def above(t: float, df: float) -> float:
    """Give the probability of a t greater than this one, with `df` degrees of freedom (above 0)."""
    half = _beta(df / (df + t * t), df / 2, 0.5) / 2
    return half if t >= 0 else 1 - half


@cache
def quantile(chance: float, df: float) -> float:
    """Give the t that a share `chance` (above 0, below 1) of all t is greater than."""
    low, high = -1.0, 1.0
    while above(high, df) > chance:
        high *= 2
    while above(low, df) < chance:
        low *= 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle, df) > chance else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    log = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + ...)) from the front."""
    whole, upper, lower = 1.0, 1.0, 0.0
    for term in count(1):
        step = _coefficient(term, x, a, b)
        lower = 1 / ((1 + step * lower) or TINY)
        upper = (1 + step / upper) or TINY
        whole *= upper * lower
        if abs(upper * lower - 1) < EXACT or term > MOST_TERMS:
            break
    return whole


def _coefficient(term: int, x: float, a: float, b: float) -> float:
    m = term // 2
    if term % 2:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
