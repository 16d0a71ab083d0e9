"""Which durations belong to which arm: the blocks of a run in pairs, and of each block the calls that it measured."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtests.evidence import Arm
from loadtests.measuring.comparing import Pair
from loadtests.scenarios.scenario import PhaseKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from loadtests.evidence import Block, Call, Evidence, Run
    from loadtests.scenarios.scenario import Bus, Phase

# A block's first calls meet what the other arm has left in the pool: they are not measured.
SETTLE_SECONDS: Final = 0.3
SUCCESS: Final = "SUCCESS"
FIRST: Final = "-"


@dataclass(frozen=True, slots=True)
class Taken:
    """One call with its first run, None where no worker received it, and the block that it was meant for."""

    call: Call
    run: Run | None
    meant: Block | None = None

    @property
    def end_to_end(self) -> float | None:
        """Seconds from the intended start to the end of the first run; None where that did not succeed."""
        run = self.run
        return run.ended - self.call.intended if run and run.ended is not None and run.state == SUCCESS else None

    @property
    def worker(self) -> float | None:
        """Seconds of a worker, child and parent, without what it waited for: model, results, and a processor.

        None where it did not succeed, or where one of the two left no stamp: half a worker is not measured.
        """
        taken = self.worker_delayed
        return None if taken is None or self.run is None else taken - self.run.delayed

    @property
    def worker_delayed(self) -> float | None:
        """Seconds of a worker as `worker` has them, and what it waited for a processor."""
        run = self.run
        if run is None or run.state != SUCCESS or run.inside is None or run.received_for is None:
            return None
        return run.inside + run.received_for


@dataclass(frozen=True, slots=True)
class Turns:
    """The calls of a run by the block that they were meant for, and by the block whose worker received them."""

    meant: Mapping[str, Sequence[Taken]]
    received: Mapping[str, Sequence[Taken]]


def phases_of(evidence: Evidence) -> Sequence[Phase]:
    """Give the phases as they were played; the scenario's own where nothing else was noted."""
    return evidence.phases or evidence.scenario.phases


def first_runs(runs: Iterable[Run]) -> dict[str, Run]:
    """Give the first run of each call: what came after is recovery."""
    found: dict[str, Run] = {}
    for run in runs:
        if run.attempt == FIRST:
            found.setdefault(run.id, run)
    return found


def turns_of(evidence: Evidence) -> Turns:
    """Give the well-formed calls by their blocks, each with its first run."""
    runs, at_moment = first_runs(evidence.runs), _finder(evidence.blocks)
    meant, received = defaultdict[str, list[Taken]](list), defaultdict[str, list[Taken]](list)
    for call in evidence.calls:
        if not call.malformed:
            taken = Taken(call, runs.get(call.id), at_moment(call.intended))
            received[call.block].append(taken)
            if taken.meant:
                meant[taken.meant.name].append(taken)
    return Turns(meant, received)


def _finder(blocks: Iterable[Block]) -> Callable[[float], Block | None]:
    ordered = sorted(blocks, key=lambda each: each.began)
    starts = [each.began for each in ordered]

    def at(moment: float) -> Block | None:
        which = bisect_right(starts, moment) - 1
        return ordered[which] if which >= 0 and moment < ordered[which].ended else None

    return at


def groups_of(evidence: Evidence, bus: Bus) -> list[dict[Arm, Block]]:
    """Give the blocks of the overhead phases with the bus in one state, in groups of neighbours, each arm once."""
    phases = phases_of(evidence)
    wanted = {at for at, each in enumerate(phases) if each.kind is PhaseKind.OVERHEAD and each.bus is bus}
    groups: list[dict[Arm, Block]] = []
    for number in sorted(wanted):
        groups += _grouped(
            sorted((each for each in evidence.blocks if each.phase == number), key=lambda one: one.began)
        )
    return groups


def _grouped(blocks: Iterable[Block]) -> list[dict[Arm, Block]]:
    groups: list[dict[Arm, Block]] = []
    for block in blocks:
        if not groups or block.arm in groups[-1]:
            groups.append({})
        groups[-1][block.arm] = block
    return groups


def pairs_of(groups: Sequence[Mapping[Arm, Block]], arm: Arm, span: str, turns: Turns) -> list[Pair]:
    """Give the durations of one span, in seconds, in pairs of blocks: this arm's, and those without the plugin."""
    return [SPANS[span](group[arm], group[Arm.OFF], turns) for group in groups if arm in group and Arm.OFF in group]


def _end_to_end(on: Block, off: Block, turns: Turns) -> Pair:
    """Compare what users waited for: a call belongs to the block that it was meant for.

    One that left late, in another's turn, keeps its whole wait where it was meant for the plugin. Where it was meant
    for the arm without, it is taken from that, and counts as the slowest of the plugin's if that is who received it.
    """
    with_it = [each.end_to_end for each in turns.meant.get(on.name, ()) if _settled(each.call.intended, on)]
    meant = [each for each in turns.meant.get(off.name, ()) if _settled(each.call.intended, off)]
    without = [each.end_to_end if each.call.block == off.name else None for each in meant]
    strayed = [None for each in turns.received.get(on.name, ()) if _strayed(each)]
    return _pair([*with_it, *strayed], without)


def _in_worker(took: Callable[[Taken], float | None]) -> Callable[[Block, Block, Turns], Pair]:
    """Compare what the workers took: a call belongs to the worker that received it, whenever it was meant."""

    def compared(on: Block, off: Block, turns: Turns) -> Pair:
        with_it, without = (
            [took(each) for each in turns.received.get(block.name, ()) if _settled(each.call.sent, block)]
            for block in (on, off)
        )
        return _pair(with_it, without)

    return compared


def _strayed(taken: Taken) -> bool:
    meant = taken.meant
    return meant is not None and meant.arm is Arm.OFF and _settled(taken.call.intended, meant)


def _settled(moment: float, block: Block) -> bool:
    return moment >= block.began + SETTLE_SECONDS


def _pair(on: Sequence[float | None], off: Sequence[float | None]) -> Pair:
    with_it, without = ([each for each in arm if each is not None] for arm in (on, off))
    return Pair(with_it, without, len(on) - len(with_it), len(off) - len(without))


# What is compared, by the name it has in a comparison.
SPANS: Final[Mapping[str, Callable[[Block, Block, Turns], Pair]]] = {
    "end_to_end": _end_to_end,
    "worker": _in_worker(lambda each: each.worker),
    "worker_delayed": _in_worker(lambda each: each.worker_delayed),
}
