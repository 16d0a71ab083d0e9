"""What happens when in a phase: which arm has the calls, and when faults begin and end. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtests.evidence import Arm
from loadtests.scenarios.scenario import PhaseKind

if TYPE_CHECKING:
    from random import Random

    from loadtests.scenarios.scenario import Fault, Phase


@dataclass(frozen=True, slots=True)
class Use:
    """All calls go to one arm from `at` seconds after the phase began, for `seconds`; `block` names them."""

    at: float
    arm: Arm
    block: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Begin:
    """A fault begins at `at` seconds."""

    at: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class End:
    """A fault ends at `at` seconds."""

    at: float
    fault: Fault


Step = Use | Begin | End
# What ends makes room for what begins at the same moment.
ORDER = (End, Use, Begin)


def timeline(phase: Phase, dice: Random) -> list[Step]:
    """Give the steps of a phase in the order of their moments; a fault that outlasts its phase ends with it."""
    steps: list[Step] = list(_blocks(phase, dice))
    for fault in phase.faults:
        steps += [Begin(fault.at, fault), End(min(fault.at + fault.lasts, phase.seconds), fault)]
    return sorted(steps, key=lambda step: (step.at, _place(step)))


def _place(step: Step) -> int:
    """Give the place of a step among those of its moment; what is over at once begins before it ends."""
    at_once = isinstance(step, End) and step.fault.lasts <= 0
    return len(ORDER) if at_once else ORDER.index(type(step))


def arms_of(phase: Phase) -> tuple[Arm, ...]:
    """Give the arms that a phase compares; the plugin's alone where it compares none."""
    if phase.kind is not PhaseKind.OVERHEAD:
        return (Arm.ON,)
    return (Arm.OFF, Arm.ON, Arm.TRACED) if phase.traced else (Arm.OFF, Arm.ON)


def _blocks(phase: Phase, dice: Random) -> list[Use]:
    """Divide an overhead phase into rounds in which each arm has one block, in an order that the dice choose.

    Rounds hold what drifts (a warmer cache, a busier machine) against all arms alike.
    """
    arms = arms_of(phase)
    if phase.kind is not PhaseKind.OVERHEAD:
        return [Use(0.0, arms[0], _word(phase.name), phase.seconds)]
    rounds = max(1, round(phase.seconds / phase.block_seconds / len(arms)))
    seconds = phase.seconds / rounds / len(arms)
    turns = [arm for _ in range(rounds) for arm in dice.sample(arms, k=len(arms))]
    return [Use(i * seconds, arm, f"{_word(phase.name)}-{i + 1}-{arm}", seconds) for i, arm in enumerate(turns)]


def _word(name: str) -> str:
    """Write a phase's name as one word: a block is a field of the front's lines."""
    return "-".join(name.split())
