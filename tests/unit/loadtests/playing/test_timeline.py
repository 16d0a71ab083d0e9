"""Which arm has the calls when, and when faults begin and end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from loadtests.evidence import Arm
from loadtests.playing.timeline import Begin, End, Use, timeline
from loadtests.scenarios.scenario import Fault, FaultKind, Phase, PhaseKind

OVERHEAD = Phase("calm", PhaseKind.OVERHEAD, 24.0, block_seconds=2.0)
OUTAGE = Fault(FaultKind.PROVIDER_DOWN, at=1.0, lasts=4.0)
RECOVERY = Phase("outage", PhaseKind.RECOVERY, 10.0, faults=(OUTAGE,))


def blocks(phase: Phase, seed: int = 3) -> list[Use]:
    """Give the blocks of a phase's timeline."""
    return [step for step in timeline(phase, Random(seed)) if isinstance(step, Use)]


@pytest.mark.parametrize(("traced", "arms"), [(False, 2), (True, 3)])
def test_every_round_has_each_arm_once(traced: bool, arms: int) -> None:
    """In each pair, or triple with tracing, every arm of the phase has one block of the same length."""
    found = blocks(replace(OVERHEAD, traced=traced))
    assert len(found) == 12
    for first in range(0, len(found), arms):
        assert Counter(each.arm for each in found[first : first + arms]) == Counter(list(Arm)[:arms])


def test_blocks_fill_the_phase_without_a_gap() -> None:
    """Each block begins where the one before it ended, and the last ends with the phase."""
    found = blocks(replace(OVERHEAD, seconds=25.0))
    ends = [each.at + each.seconds for each in found]
    assert found[0].at == 0
    assert [each.at for each in found[1:]] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(25.0)
    assert len({each.block for each in found}) == len(found)


def test_the_order_within_rounds_is_the_seed_s() -> None:
    """The same seed gives the same order; over seeds each arm comes first about as often."""
    assert blocks(OVERHEAD, 5) == blocks(OVERHEAD, 5)
    firsts = Counter(blocks(OVERHEAD, seed)[0].arm for seed in range(200))
    assert min(firsts.values()) > 70


def test_faults_begin_and_end_at_their_times() -> None:
    """A recovery phase is one block of the plugin's arm, its fault in the middle."""
    steps = timeline(RECOVERY, Random(1))
    assert [(type(step), step.at) for step in steps] == [(Use, 0.0), (Begin, 1.0), (End, 5.0)]
    assert blocks(RECOVERY)[0].arm is Arm.ON


def test_no_fault_outlasts_its_phase() -> None:
    """What would hold longer ends with the phase; a fault that follows at once begins after the other has ended."""
    long = replace(OUTAGE, lasts=60.0)
    assert timeline(replace(RECOVERY, faults=(long,)), Random(1))[-1] == End(10.0, long)
    after = replace(OUTAGE, at=5.0)
    steps = timeline(replace(RECOVERY, faults=(after, OUTAGE)), Random(1))
    assert [(type(step), step.at) for step in steps[2:4]] == [(End, 5.0), (Begin, 5.0)]


@pytest.mark.parametrize("phase", [RECOVERY, OVERHEAD])
def test_a_block_s_name_is_one_word(phase: Phase) -> None:
    """A phase may be called 'overhead, bus slow'; the front writes a block's name as a field of a line."""
    found = blocks(replace(phase, name="a name, of words"))
    assert all(each.block.startswith("a-name,-of-words") and len(each.block.split()) == 1 for each in found)
