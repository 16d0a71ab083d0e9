"""Vectors as directions: 32-bit floats of length 1. The cosine of two is the sum of their products."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Direction: TypeAlias = "NDArray[np.float32]"


def direction(values: Sequence[float], *, centred: bool = False) -> Direction:
    """Give where `values` point, `centred` for where they point around their mean; no value is too large or too small.

    Zeros for what points nowhere: all values 0, or all alike around their mean, or one of them not finite. Its cosine
    with everything is 0.
    """
    wide = np.array(values, dtype=np.float64)
    nowhere = np.zeros(len(wide), dtype=np.float32)
    largest = np.max(np.abs(wide), initial=0.0)
    if not 0 < largest < np.inf:
        return nowhere
    wide /= largest
    if centred:
        wide -= wide.mean()
    length = np.linalg.norm(wide)
    return (wide / length).astype(np.float32) if length else nowhere


def cosine(one: Direction, other: Direction) -> float:
    """Give the cosine of two directions, from -1 to 1, summed in 64 bits."""
    product = float(np.dot(one.astype(np.float64), other.astype(np.float64)))
    return max(-1.0, min(1.0, product))
