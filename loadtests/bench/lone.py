"""A lone failure, from `task_failure` in the worker to the redriven message in its hands, 200 of them one at a time.

A real prefork worker, and bus, orchestrator and StackStorm as `redrive dev` starts them, its data plane left out. Each
failure is an incident of its own, decided by the pack's rule and workflow (checked: its plan names the execution that
its trigger began). The delay of the plan is 0, set in a copy of the pack. The last stamp is the worker's receipt of the
message, which is later than its arrival at the broker. All clocks are this machine's.
"""

from __future__ import annotations

import json as json_module
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from loadtests.lone.measuring import Lone, stages_of
from loadtests.processes import Processes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from loadtests.lone.measuring import Sample

FAILURES: Final = 200
WARM_UP: Final = 10
SEED: Final = 20261128
TARGET_MS: Final = 100.0
TARGET_MISSED: Final = 99


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds."""

    p50: float
    p95: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum some values up."""
        return cls(round(median(values), 1), round(quantiles(values, n=20)[-1], 1), round(max(values), 1))


@dataclass(frozen=True, slots=True)
class Report:
    """The figures, whole and by stage; the stages of one failure add up to its whole."""

    failures: int
    whole: Spread
    stages: dict[str, Spread]
    load_average: float
    target: str
    missed: bool


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--failures", type=int, default=FAILURES)


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 when the stated target was missed."""
    load = os.getloadavg()[0]
    report = report_of(measured(given.failures), load)
    print(json_module.dumps(asdict(report)) if json else described(report))
    return TARGET_MISSED if report.missed else 0


def measured(failures: int) -> list[Sample]:
    """Let so many tasks fail, after a few that warm up."""
    with TemporaryDirectory(prefix="bench-lone-") as place, Processes(Path(place)) as processes:
        lone = Lone(processes, Random(SEED))
        lone.start()
        for _ in range(WARM_UP + failures):
            lone.fail()
        samples = lone.samples()[WARM_UP:]
        lone.close()
        return samples


def report_of(samples: Sequence[Sample], load_average: float) -> Report:
    """Sum the samples up."""
    whole = Spread.of([each.seconds * 1000 for each in samples])
    return Report(
        failures=len(samples),
        whole=whole,
        stages={stage: Spread.of(values) for stage, values in stages_of(samples).items()},
        load_average=round(load_average, 2),
        target=f"p95 at most {TARGET_MS:.0f} ms",
        missed=whole.p95 > TARGET_MS,
    )


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    lines = [
        f"{report.failures} lone failures, ms from task_failure in the worker to the redriven message in its hands"
    ]
    rows = {"whole": report.whole} | report.stages
    lines += [
        f"  {name:30} p50 {row.p50:8.1f}   p95 {row.p95:8.1f}   max {row.most:8.1f}" for name, row in rows.items()
    ]
    lines.append(f"load average before: {report.load_average}")
    return "\n".join([*lines, f"target: {report.target}: {'MISSED' if report.missed else 'met'}"])
