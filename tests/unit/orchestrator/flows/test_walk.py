"""Recovery on random walks: whatever happens in whatever order, no failure is lost, and all can be recovered."""

from __future__ import annotations

import pytest

from tests.walk import Walk

STEPS = 120


def walked(seed: int) -> None:
    """Walk, and mend."""
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
        walk.check()
    walk.mend()
    walk.check()
    assert {str(each.state) for each in walk.scene.incidents} == {"recovered"}


@pytest.mark.parametrize("seed", range(2))
def test_no_walk_loses_a_failure(seed: int) -> None:
    """At every step the ledger makes sense; and from wherever a walk ends, every incident can be recovered."""
    walked(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 62))
def test_no_other_walk_does(seed: int) -> None:
    """The same on many more walks."""
    walked(seed)
