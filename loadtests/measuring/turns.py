"""Which durations belong to which arm: the blocks of a run in pairs, and of each block the calls that it measured."""

from __future__ import annotations

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
    """One call of a block with its first run; None where no worker received it."""

    call: Call
    run: Run | None

    @property
    def end_to_end(self) -> float | None:
        """Seconds from the intended start to the end of the first run; None where that did not succeed."""
        run = self.run
        return run.ended - self.call.intended if run and run.ended is not None and run.state == SUCCESS else None

    @property
    def worker(self) -> float | None:
        """Seconds of a worker, child and parent, without the model's answer; None where the run did not succeed."""
        run = self.run
        if run is None or run.state != SUCCESS or run.inside is None:
            return None
        return run.inside + (run.received_for or 0.0)


# What is compared, by the name it has in a comparison.
SPANS: Final[Mapping[str, Callable[[Taken], float | None]]] = {
    "end_to_end": lambda taken: taken.end_to_end,
    "worker": lambda taken: taken.worker,
}


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


def taken_by_block(evidence: Evidence) -> dict[str, list[Taken]]:
    """Give the well-formed calls of each block, each with its first run."""
    runs, taken = first_runs(evidence.runs), defaultdict[str, list[Taken]](list)
    for call in evidence.calls:
        if not call.malformed:
            taken[call.block].append(Taken(call, runs.get(call.id)))
    return taken


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


def pairs_of(
    groups: Iterable[Mapping[Arm, Block]], arm: Arm, span: str, taken: Mapping[str, Sequence[Taken]]
) -> list[Pair]:
    """Give the durations of one span, in seconds, in pairs of blocks: this arm's, and those without the plugin."""
    pairs = []
    for group in groups:
        if arm in group and Arm.OFF in group:
            (on, missing_on), (off, missing_off) = (
                _durations(group[each], SPANS[span], taken) for each in (arm, Arm.OFF)
            )
            pairs.append(Pair(on, off, missing_on, missing_off))
    return pairs


def _durations(
    block: Block, span: Callable[[Taken], float | None], taken: Mapping[str, Sequence[Taken]]
) -> tuple[list[float], int]:
    """Give a block's durations, and how many of its calls have none.

    Measured are calls that were meant for it once it had settled. One that was meant for the block before and came
    after that has none: it waited for one arm and went to the other.
    """
    since, calls = block.began + SETTLE_SECONDS, taken.get(block.name, ())
    found = [span(each) for each in calls if each.call.intended >= since]
    late = sum(each.call.intended < block.began and each.call.sent >= since for each in calls)
    durations = [each for each in found if each is not None]
    return durations, len(found) - len(durations) + late
