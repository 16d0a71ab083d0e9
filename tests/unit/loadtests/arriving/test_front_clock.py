"""Whose clock an intended start is told by."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from loadtests.users.front_clock import ahead, ahead_of


def test_one_boot_has_one_clock() -> None:
    """The same machine's clock is ours to the last digit, however long the answer took."""
    assert ahead(lambda: {"boot": "b", "monotonic": 7.0}, "b", count().__next__) == 0.0


def test_another_machine_s_clock_is_told_by_the_shortest_round_trip() -> None:
    """Half of that is what it may be off: 1 s here, where the others took longer."""
    moments = iter([0.0, 4.0, 10.0, 12.0, 20.0, 26.0, 30.0, 33.0, 40.0, 45.0])
    told = iter([1000.0, 1011.5, 1021.0, 1031.0, 1041.0])

    def ask() -> dict[str, Any]:
        return {"boot": "other", "monotonic": next(told)}

    assert ahead(ask, "ours", lambda: next(moments)) == pytest.approx(1000.5)


def test_a_front_without_a_clock_is_taken_for_ours() -> None:
    """Nobody listens there: nothing is known, and that is said in the log."""
    assert ahead_of("http://127.0.0.1:9") == 0.0
