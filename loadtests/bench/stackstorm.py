"""The embedded StackStorm beside a real one: how soon an action runs, how many run, what it weighs.

The server is a process of its own, with the state on disk. Latencies are of one trigger at a time; actions and
workflows take turns after a warm-up. Each Python action is a process, and its run() takes the time in its first line.
Rates are of as many executions as one connection can ask for; loads take turns, and the median of the rounds counts.
Client and server share the machine: what the client takes of it is in the report. A real StackStorm is too much to
start for a benchmark: its figures stand below as they were measured once.
"""

from __future__ import annotations

import json as json_module
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from loadtests.stackstorm import pack
from loadtests.stackstorm.measuring import (
    ACCEPTED,
    ACTION,
    ACTION_ENDED,
    ACTION_RUNS,
    WORKFLOW,
    WORKFLOW_ENDED,
    WORKFLOW_RUNS,
    Bench,
    Load,
    Rate,
)
from loadtests.stackstorm.server import served

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TARGET_MISSED: Final = 99
TIMES: Final = 50.0
MEGABYTES: Final = 250.0
READY_SECONDS: Final = 1.0
STARTS: Final = 5
WARM_UP: Final = 20
SAMPLES: Final = 200
ROUNDS: Final = 3
NOOPS, ACTIONS, NOOP_WORKFLOWS, ACTION_WORKFLOWS = "noops", "actions", "noop_workflows", "action_workflows"
LOADS: Final = (
    Load(NOOPS, "core.noop", 1_000),
    Load(ACTIONS, "bench.stamp", 500),
    Load(NOOP_WORKFLOWS, "bench.noops", 200),
    Load(ACTION_WORKFLOWS, "bench.stamps", 100),
)
# Unmodified services in their default configuration, with one action runner.
REAL: Final = "StackStorm 3.10dev on 2 cores, measured in November 2026"
REAL_MS: Final = {
    ACCEPTED: (5.0, 10.0),
    ACTION_RUNS: (328.0, 395.0),
    ACTION_ENDED: (379.0, 441.0),
    WORKFLOW_RUNS: (551.0, 591.0),
    WORKFLOW_ENDED: (1478.0, 1538.0),
}
REAL_PER_SECOND: Final = {NOOPS: 9.3, ACTIONS: 6.2, NOOP_WORKFLOWS: 2.2, ACTION_WORKFLOWS: 1.3}
REAL_MEGABYTES: Final = 1_300.0
# An answer to a POST is mostly the way there and back: it is shown, and has no target.
AIMED_AT: Final = (ACTION_RUNS, ACTION_ENDED, WORKFLOW_RUNS, WORKFLOW_ENDED)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds since the POST began, and how many times as fast as the real one."""

    samples: int
    p50_ms: float
    p95_ms: float
    p50_times: float
    p95_times: float


@dataclass(frozen=True, slots=True)
class Report:
    """The figures, beside the real ones."""

    latencies: dict[str, Latency]
    rates: dict[str, Rate]
    rate_times: dict[str, float]
    executions_of_a_round: dict[str, int]
    rounds: int
    memory_mb: float
    memory_shared_once_mb: float
    memory_times_less: float
    ready_seconds: list[float]
    load_average: float
    real: str
    target: str
    missed: list[str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, sample by sample."""

    latencies: Mapping[str, Sequence[float]]
    rates: Mapping[str, Sequence[Rate]]
    memory: tuple[float, float]
    ready: Sequence[float]
    load_average: float = 0.0


def main(json: bool) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 when a stated target was missed."""
    report = report_of(measured())
    print(json_module.dumps(asdict(report)) if json else described(report))
    return TARGET_MISSED if report.missed else 0


def measured() -> Measured:
    """Start servers, and measure the last of them."""
    load_average = os.getloadavg()[0]
    with TemporaryDirectory(prefix="bench-stackstorm-") as place:
        folder = Path(place)
        packs = [pack.write(folder)]
        ready = []
        for _ in range(STARTS - 1):
            with served(folder, packs) as server:
                ready.append(server.ready_seconds)
        with served(folder, packs) as server:
            bench = Bench(server)
            latencies, rates = samples(bench), rounds(bench)
            bench.close()
            return Measured(latencies, rates, server.memory_megabytes(), [*ready, server.ready_seconds], load_average)


def samples(bench: Bench) -> dict[str, list[float]]:
    """Let an action and a workflow take turns; gives milliseconds by what they are to."""
    found: dict[str, list[float]] = {name: [] for name in REAL_MS}
    for number in range(-WARM_UP, SAMPLES):
        for trigger in (ACTION, WORKFLOW):
            sample = bench.sample(trigger)
            for name, value in sample.items() if number >= 0 else ():
                found[name].append(value)
    return found


def rounds(bench: Bench) -> dict[str, list[Rate]]:
    """Let the loads take turns, after one turn of each that warms up."""
    for load in LOADS:
        bench.rate(Load(load.name, load.action, WARM_UP))
    found: dict[str, list[Rate]] = {load.name: [] for load in LOADS}
    for _ in range(ROUNDS):
        for load in LOADS:
            found[load.name].append(bench.rate(load))
    return found


def report_of(found: Measured) -> Report:
    """Set what was measured beside the real figures, and name the targets that were missed."""
    latencies = {name: latency_of(values, *REAL_MS[name]) for name, values in found.latencies.items()}
    rates = {name: middle(values) for name, values in found.rates.items()}
    times = {name: round(rate.per_second / REAL_PER_SECOND[name], 1) for name, rate in rates.items()}
    ratios = {f"{name}: p50": latencies[name].p50_times for name in AIMED_AT}
    ratios |= {f"{name}: p95": latencies[name].p95_times for name in AIMED_AT} | times
    missed = [f"{name}: {ratio} times the real one's speed" for name, ratio in ratios.items() if ratio < TIMES]
    summed, shared_once = found.memory
    missed += [f"memory: {summed:.0f} MB"] if summed >= MEGABYTES else []
    missed += [f"ready: {max(found.ready):.2f} s"] if max(found.ready) > READY_SECONDS else []
    return Report(
        latencies=latencies,
        rates=rates,
        rate_times=times,
        executions_of_a_round={load.name: load.runs for load in LOADS},
        rounds=ROUNDS,
        memory_mb=round(summed, 1),
        memory_shared_once_mb=round(shared_once, 1),
        memory_times_less=round(REAL_MEGABYTES / summed, 1),
        ready_seconds=[round(each, 2) for each in found.ready],
        load_average=round(found.load_average, 2),
        real=REAL,
        target=f"{TIMES:.0f} x as fast, below {MEGABYTES:.0f} MB, every start ready in {READY_SECONDS:.0f} s",
        missed=missed,
    )


def latency_of(values: Sequence[float], real_p50: float, real_p95: float) -> Latency:
    """Give the median and the 95th percentile, each beside the real one's."""
    p50, p95 = median(values), quantiles(values, n=20)[-1]
    return Latency(len(values), round(p50, 2), round(p95, 2), round(real_p50 / p50, 1), round(real_p95 / p95, 1))


def middle(values: Sequence[Rate]) -> Rate:
    """Give the median of each figure over the rounds."""
    return Rate(*(round(median(getattr(each, name) for each in values), 2) for name in Rate.__slots__))


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    lines = [f"ms since the POST (in brackets: times as fast as {report.real})"]
    lines += [f"  {name:20} {_shown(each)}" for name, each in report.latencies.items()]
    lines.append(f"a second, median of {report.rounds} rounds; CPU ms of each one: the server's + the client's")
    for name, rate in report.rates.items():
        times = f"({report.rate_times[name]:6.1f} x)"
        lines.append(f"  {name:20} {rate.per_second:8.1f} {times}   {rate.server_ms:6.2f} + {rate.client_ms:.2f}")
    lines.append(
        f"memory {report.memory_mb:.0f} MB ({report.memory_times_less:.1f} times less); "
        f"{report.memory_shared_once_mb:.0f} MB with shared pages counted once"
    )
    lines.append(f"ready after {', '.join(f'{each:.2f}' for each in report.ready_seconds)} s")
    lines.append(f"load average before: {report.load_average}")
    verdict = "; ".join(["MISSED", *report.missed]) if report.missed else "met"
    return "\n".join([*lines, f"target: {report.target}: {verdict}"])


def _shown(each: Latency) -> str:
    return f"p50 {each.p50_ms:8.2f} ({each.p50_times:6.1f} x)   p95 {each.p95_ms:8.2f} ({each.p95_times:6.1f} x)"
