"""The conductor does to a bed what the timeline says, and undoes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loadtests.evidence import Arm
from loadtests.playing.conductor import WARM_UP, Conductor
from loadtests.scenarios.scenario import Bus, Fault, FaultKind, Phase, PhaseKind

OUTAGE = Fault(FaultKind.PROVIDER_DOWN, at=0.01, lasts=0.02)
OVERHEAD = Phase("calm", PhaseKind.OVERHEAD, 0.08, bus=Bus.SLOW, block_seconds=0.02)


@dataclass
class _Seen:
    """A bed and a load that note what they are told; `ends` raises where a process is to have ended."""

    folder: Path = Path()
    front: str = ""
    api: str = ""
    stackstorm: str = ""
    told: list[object] = field(default_factory=list)
    ended: bool = False

    def use(self, arm: Arm, block: str) -> None:
        self.told.append(("use", arm, block))

    def weather(self, bus: Bus) -> None:
        self.told.append(bus)

    def begin(self, fault: Fault) -> str:
        self.told.append(("begin", fault.kind))
        self.ended = fault.kind is FaultKind.WORKER_KILLED
        return "pid 7"

    def end(self, fault: Fault) -> None:
        self.told.append(("end", fault.kind))

    def pids(self) -> dict[str, int]:
        return {}

    def refuse_ended(self) -> None:
        if self.ended:
            raise RuntimeError("a process has ended")

    def ask(self, path: str) -> dict[str, Any]:
        return {"asked": path}

    def set_phase(self, phase: Phase | None) -> None:
        self.told.append(phase)


def conductor(seen: _Seen) -> Conductor:
    """Make one whose bed and load are the same witness."""
    return Conductor(seen, seen, Random(1))


def test_blocks_are_noted_with_their_true_moments() -> None:
    """Each block began after the one before it ended, and the bus is up again after the phase."""
    seen = _Seen()
    playing = conductor(seen)
    before = time.monotonic()
    playing.play(OVERHEAD, 4)
    assert [each[2] for each in seen.told if isinstance(each, tuple)] == [each.name for each in playing.blocks]
    assert {each.phase for each in playing.blocks} == {4}
    ends = [each.ended for each in playing.blocks]
    assert all(each.began < each.ended for each in playing.blocks)
    assert all(began.began >= ended for began, ended in zip(playing.blocks[1:], ends, strict=False))
    assert ends[-1] - before >= OVERHEAD.seconds
    assert (seen.told[:2], seen.told[-1]) == ([OVERHEAD, Bus.SLOW], Bus.UP)


def test_a_fault_is_noted_as_it_was_made() -> None:
    """Kind, phase, note and moments are those of what was done."""
    seen = _Seen()
    playing = conductor(seen)
    phase = Phase("outage", PhaseKind.RECOVERY, 0.05, rate=12.0, faults=(OUTAGE,))
    playing.play(phase, 2)
    (struck,) = playing.struck
    assert (struck.kind, struck.phase, struck.note) == (OUTAGE.kind, 2, "pid 7")
    assert struck.began < struck.ended
    assert seen.told[0] == phase
    assert seen.told.index(("begin", OUTAGE.kind)) < seen.told.index(("end", OUTAGE.kind))


def test_a_fault_that_begins_late_lasts_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes long to start again takes nothing off the outage after it."""
    restart, seen = Fault(FaultKind.BROKER_RESTARTED, at=0.0, lasts=0.01), _Seen()
    late = Fault(FaultKind.PROVIDER_DOWN, at=0.05, lasts=0.1)
    monkeypatch.setattr(seen, "end", lambda fault: time.sleep(0.2) if fault is restart else None)
    playing = conductor(seen)
    playing.play(Phase("servers", PhaseKind.RECOVERY, 0.2, faults=(restart, late)), 0)
    assert [each.kind for each in playing.struck] == [restart.kind, late.kind]
    assert playing.struck[1].ended - playing.struck[1].began >= late.lasts


def test_a_fault_ends_though_the_run_is_given_up() -> None:
    """Where a process ends by itself the phase is given up, and what was broken is whole again."""
    seen = _Seen()
    killed = Fault(FaultKind.WORKER_KILLED, at=0.0, lasts=10.0)
    with pytest.raises(RuntimeError, match="ended"):
        conductor(seen).play(Phase("kill", PhaseKind.RECOVERY, 20.0, faults=(killed,)), 0)
    assert seen.told[-2:] == [("end", killed.kind), Bus.UP]


def test_every_arm_is_warm_before_it_is_measured() -> None:
    """The warm-up gives each arm calls, and makes no block of them."""
    seen = _Seen()
    playing = conductor(seen)
    playing.warm_up(0.03)
    assert seen.told == [None, *(("use", arm, WARM_UP) for arm in Arm)]
    assert playing.blocks == []
