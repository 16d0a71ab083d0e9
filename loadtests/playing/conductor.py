"""Plays the phases of a scenario on a bed: who has the calls, which faults hold, at the moments of the timeline."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from loadtests.evidence import Arm, Block, Struck
from loadtests.playing.timeline import Begin, End, Use, timeline
from loadtests.scenarios.scenario import Bus

if TYPE_CHECKING:
    from random import Random

    from loadtests.playing.stage import Stage
    from loadtests.playing.timeline import Step
    from loadtests.scenarios.scenario import Fault, Phase

WARM_UP: Final = "warm-up"
LOOK_SECONDS: Final = 0.5


class Load(Protocol):
    """The users of a run (`loadtests.playing.users.Users`)."""

    def set_phase(self, phase: Phase | None) -> None:
        """Have calls arrive as a phase says, None for the warm-up."""


@dataclass(slots=True)
class Conductor:
    """Plays phases one after the other. `blocks` and `struck` are what was done, at its true moments."""

    bed: Stage
    load: Load
    dice: Random
    blocks: list[Block] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    _holding: dict[Fault, tuple[float, str]] = field(default_factory=dict)

    def warm_up(self, seconds: float) -> None:
        """Give each arm its share of a time that nobody measures."""
        self.load.set_phase(None)
        for arm in Arm:
            say(f"warm-up: {arm}, {seconds / len(Arm):.1f} s")
            self.bed.use(arm, WARM_UP)
            self._rest_until(time.monotonic() + seconds / len(Arm))

    def play(self, phase: Phase, index: int) -> None:
        """Play one phase; a fault that holds is ended even where the run is given up."""
        say(f"{phase.name}: {phase.kind}, bus {phase.bus}, {phase.seconds:.0f} s")
        self.load.set_phase(phase)
        self.bed.weather(phase.bus)
        began = time.monotonic()
        try:
            for step in timeline(phase, self.dice):
                self._rest_until(began + step.at)
                self._take(step, index)
            self._rest_until(began + phase.seconds)
            self._close_block()
        finally:
            for fault in list(self._holding):
                self._end(fault, index)
            self.bed.weather(Bus.UP)

    def _take(self, step: Step, index: int) -> None:
        match step:
            case Use(arm=arm, block=name):
                self._close_block()
                began = time.monotonic()
                self.bed.use(arm, name)
                # Its end is set when the next one begins, or with the phase.
                self.blocks.append(Block(name, index, arm, began, 0.0))
            case Begin(fault=fault):
                self._begin(fault)
            case End(fault=fault):
                # One that began late, because another took long to end, still lasts its time.
                self._rest_until(self._holding[fault][0] + step.at - fault.at)
                self._end(fault, index)

    def _close_block(self) -> None:
        if self.blocks and not self.blocks[-1].ended:
            last = self.blocks[-1]
            self.blocks[-1] = Block(last.name, last.phase, last.arm, last.began, time.monotonic())

    def _begin(self, fault: Fault) -> None:
        began = time.monotonic()
        note = self.bed.begin(fault)
        self._holding[fault] = began, note
        say(f"  {fault.kind} begins{f' ({note})' if note else ''}")

    def _end(self, fault: Fault, index: int) -> None:
        if fault not in self._holding:
            return
        began, note = self._holding.pop(fault)
        self.bed.end(fault)
        say(f"  {fault.kind} ends")
        target = str(fault.target) if fault.target else ""
        self.struck.append(Struck(fault.kind, target, index, began, time.monotonic(), note))

    def _rest_until(self, moment: float) -> None:
        """Wait, and see meanwhile that nothing has ended that nobody ended."""
        while (left := moment - time.monotonic()) > 0:
            self.bed.refuse_ended()
            time.sleep(min(left, LOOK_SECONDS))


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    print(line, file=sys.stderr, flush=True)
