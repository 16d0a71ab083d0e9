"""Evidence of a run that never was, whose truth is known: what the plugin adds, what a process uses, what leaks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from loadtests.evidence import Answered, Arm, Backlog, Block, Call, Evidence, Run, Sample
from loadtests.scenarios.scenario import Bus, Engines, Phase, PhaseKind, Scenario

BLOCK = 2.0
MODEL = 0.05


@dataclass
class World:
    """What a made-up run is made of. Times in seconds; `slower` is what the plugin adds to each call."""

    phases: tuple[Phase, ...]
    rate: float = 40.0
    seed: int = 1
    slower: float = 0.005
    cpu_off: float = 0.002
    cpu_on: float = 0.0025
    cpu_idle: float = 0.01
    rss_off: int = 200_000_000
    rss_on: int = 230_000_000
    leak_per_hour: float = 0.0
    handles_per_hour: float = 0.0
    unwell: float = 0.0
    waiting: int = 0
    dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)

    def evidence(self) -> Evidence:
        """Play it in no time."""
        blocks = self._blocks()
        calls = [call for block in blocks for call in self._calls(block)]
        arms = {block.name: block.arm for block in blocks}
        runs = [self._run(call, arms[call.block]) for call in calls]
        return evidence_of(
            self.phases,
            blocks=blocks,
            calls=calls,
            runs=runs,
            samples=self._samples(blocks, calls),
            answered=self._answered(calls),
            backlog=[Backlog(blocks[-1].ended + 10, self.waiting, 0, {"warehouse": 0}, {})],
            seed=self.seed,
        )

    def _blocks(self) -> list[Block]:
        found, now = [], 1000.0
        for number, phase in enumerate(self.phases):
            for arms in self._turns(phase):
                for arm in arms:
                    lasts = BLOCK if phase.kind is PhaseKind.OVERHEAD else phase.seconds
                    found.append(Block(f"{number}-{len(found)}-{arm}", number, arm, now, now + lasts))
                    now += lasts
        return found

    def _turns(self, phase: Phase) -> list[list[Arm]]:
        if phase.kind is not PhaseKind.OVERHEAD:
            return [[Arm.ON]]
        arms = [Arm.OFF, Arm.ON, *([Arm.TRACED] if phase.traced else [])]
        return [self.dice.sample(arms, k=len(arms)) for _ in range(int(phase.seconds / BLOCK / len(arms)))]

    def _calls(self, block: Block) -> list[Call]:
        found, at = [], block.began
        while (at := at + self.dice.expovariate(self.rate)) < block.ended:
            found.append(Call(f"{block.name}-{len(found)}", block.name, at, at + 0.001, MODEL))
        return found

    def _run(self, call: Call, arm: Arm) -> Run:
        inside = 0.001 * self.dice.lognormvariate(0, 0.4) + (0 if arm is Arm.OFF else self.slower)
        began = call.sent + 0.002 * self.dice.lognormvariate(0, 0.4)
        return Run(call.id, "-", began - 0.001, began, began + MODEL + inside, "SUCCESS", inside, 0.0001)

    def _samples(self, blocks: list[Block], calls: list[Call]) -> list[Sample]:
        arms = {block.name: block.arm for block in blocks}
        ends = sorted((call.sent, arms[call.block]) for call in calls)
        found, used, at = [], dict.fromkeys(Arm, 0.0), 0
        for second in range(int(blocks[0].began) - 2, int(blocks[-1].ended) + 4):
            while at < len(ends) and ends[at][0] <= second:
                used[ends[at][1]] += self.cpu_off if ends[at][1] is Arm.OFF else self.cpu_on
                at += 1
            grown = (second - blocks[0].began) / 3600
            found += [
                Sample(second, f"worker-{arm}", used[arm] + self.cpu_idle * second, self._rss(arm), 50) for arm in Arm
            ]
            rss = 150e6 + self.leak_per_hour * 1e6 * grown + self.dice.gauss(0, 2e5)
            handles = round(80 + self.handles_per_hour * grown)
            found.append(Sample(second, "orchestrator", 0.001 * at, int(rss), handles))
            found.append(Sample(second, "stackstorm", 0.001 * at, 100_000_000, 60))
        return found

    def _rss(self, arm: Arm) -> int:
        return (self.rss_off if arm is Arm.OFF else self.rss_on) + int(self.dice.gauss(0, 1e5))

    def _answered(self, calls: list[Call]) -> list[Answered]:
        return [
            Answered(call.intended, name, self.dice.uniform(0, 0.1) if name != "POST /calls" else 9.0, self._well())
            for call in calls
            for name in ("GET /incidents", "POST /calls")
        ]

    def _well(self) -> bool:
        return self.dice.random() >= self.unwell


def overhead(seconds: float, bus: Bus = Bus.UP, *, traced: bool = False) -> Phase:
    """Give a phase in which the arms take turns."""
    return Phase("overhead", PhaseKind.OVERHEAD, seconds, bus, traced)


def load(seconds: float) -> Phase:
    """Give a phase of load alone."""
    return Phase("load", PhaseKind.LOAD, seconds)


def evidence_of(phases: tuple[Phase, ...], *, seed: int = 1, **parts: object) -> Evidence:
    """Give evidence with these parts, all others empty."""
    now = datetime(2026, 11, 29, tzinfo=UTC)
    empty = Evidence(
        run_id="20261129T000000Z-made-up-000000",
        scenario=Scenario("made-up", "made up", Engines.EMBEDDED, seed, 40.0, phases),
        began_at=now,
        ended_at=now + timedelta(minutes=1),
        began=1000.0,
        phases=phases,
    )
    return replace(empty, **parts)  # type: ignore[arg-type]  # whoever names a part gives what belongs there
