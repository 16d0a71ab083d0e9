"""What a process had used at any moment, read from the samples of it: processor seconds, memory, handles."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadtests.evidence import Sample


@dataclass(frozen=True, slots=True)
class Meter:
    """One process over time: `at` are the moments of its samples, `cpu` the seconds used since the first of them."""

    at: Sequence[float]
    cpu: Sequence[float]
    samples: Sequence[Sample]

    def used(self, began: float, ended: float) -> float | None:
        """Give the processor seconds used between two moments; None where the samples do not reach around them."""
        if not self.at or began < self.at[0] or ended > self.at[-1]:
            return None
        return self._cpu_at(ended) - self._cpu_at(began)

    def between(self, began: float, ended: float) -> Sequence[Sample]:
        """Give the samples from one moment to another."""
        return self.samples[bisect_left(self.at, began) : bisect_right(self.at, ended)]

    def _cpu_at(self, moment: float) -> float:
        after = bisect_left(self.at, moment)
        if self.at[after] == moment:
            return self.cpu[after]
        share = (moment - self.at[after - 1]) / (self.at[after] - self.at[after - 1])
        return self.cpu[after - 1] + share * (self.cpu[after] - self.cpu[after - 1])


def meters_of(samples: Iterable[Sample]) -> dict[str, Meter]:
    """Give a meter for each process by its name."""
    by_process: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda each: each.at):
        by_process[sample.process].append(sample)
    return {name: Meter([each.at for each in found], _added(found), found) for name, found in by_process.items()}


def restarted(before: Sample, after: Sample) -> bool:
    """Tell whether a process was replaced between two samples: its processor seconds began anew."""
    return after.cpu_seconds < before.cpu_seconds


def _added(samples: Sequence[Sample]) -> list[float]:
    """Add up what was used from sample to sample; a process that was replaced began at zero."""
    total = [0.0]
    for before, after in pairwise(samples):
        used = after.cpu_seconds if restarted(before, after) else after.cpu_seconds - before.cpu_seconds
        total.append(total[-1] + used)
    return total
