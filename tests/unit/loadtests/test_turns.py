"""Both arms take turns: fairly, in an order that only the dice know."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.turns import Arm, take_turns


@pytest.mark.parametrize("seconds", [1, 15, 60, 600])
def test_each_pair_of_turns_holds_both_arms(seconds: float) -> None:
    """Two turns in a row are one of each arm, equally long, and all turns together take the time that was given."""
    turns = take_turns(seconds, Random(1))
    for first, second in zip(turns[::2], turns[1::2], strict=True):
        assert {first.arm, second.arm} == {Arm.ON, Arm.OFF}
    assert len({turn.seconds for turn in turns}) == 1
    assert sum(turn.seconds for turn in turns) == pytest.approx(seconds)


def test_each_half_holds_whole_pairs() -> None:
    """What comes before the outage and what comes after it have as many turns of either arm."""
    turns = take_turns(60, Random(1))
    assert len(turns) == 20
    for half in (turns[:10], turns[10:]):
        assert [turn.arm for turn in half].count(Arm.ON) == 5


def test_the_seed_gives_the_order() -> None:
    """The same seed gives the same order, another seed another one, and both arms come first at times."""
    assert take_turns(60, Random(1)) == take_turns(60, Random(1))
    assert take_turns(60, Random(1)) != take_turns(60, Random(2))
    assert {turn.arm for turn in take_turns(60, Random(1))[::2]} == {Arm.ON, Arm.OFF}


def test_a_block_is_named_once_and_its_arm_has_a_queue_of_its_own() -> None:
    """Calls are told apart by their block, and no worker reads the other's queue."""
    turns = take_turns(60, Random(1))
    assert len({turn.block for turn in turns}) == len(turns)
    assert len({arm.queue for arm in Arm}) == len(Arm)
