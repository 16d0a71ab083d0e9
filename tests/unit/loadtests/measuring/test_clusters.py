"""A weighted quantile of clusters is that of the values themselves, each as often as its cluster counts."""

from __future__ import annotations

import math
from random import Random

import pytest

from loadtests.measuring.clusters import Clusters


@pytest.mark.parametrize("seed", range(20))
def test_a_quantile_is_that_of_the_repeated_values(seed: int) -> None:
    """Sorting every value as often as its cluster counts gives the same, whatever the weights and sizes."""
    dice = Random(seed)
    clusters = [[dice.gauss(0, 1) for _ in range(dice.randint(0, 40))] for _ in range(dice.randint(1, 30))]
    weights = [dice.randint(0, 3) for _ in clusters]
    plain = sorted(value for values, weight in zip(clusters, weights, strict=True) for value in values * weight)
    ordered = Clusters(clusters)
    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        expected = plain[max(1, math.ceil(share * len(plain) - 1e-9)) - 1] if plain else None
        assert ordered.quantile(share, weights) == expected


def test_nothing_has_no_quantile() -> None:
    """No values, or weights that leave none: None, not a zero."""
    assert Clusters([[], []]).quantile(0.5, [1, 1]) is None
    assert Clusters([[1.0], []]).quantile(0.5, [0, 1]) is None
