"""Microseconds a call through our circuit breaker, beside pybreaker's own in the same run; and 16 threads at once.

A process of its own makes the calls, in turns; median of the rounds. `kept` is what a relay calls: with the look at
the circuit's row, once a second, in memory here. The threads' calls sleep 5 ms, 20 each: side by side that is 0.1 s.
"""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

CALLS: Final = 100_000
ROUNDS: Final = 5
SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Report:
    """Medians: microseconds a call, of which `nothing` is the loop's own; seconds of the threads."""

    calls: int
    rounds: int
    microseconds: dict[str, float]
    threads_seconds: dict[str, float]
    load_average: float


def report_of(measured: Mapping[str, Mapping[str, list[float]]], calls: int, load: float) -> Report:
    """Sum the rounds up."""
    alone = {name: round(median(each), 2) for name, each in measured["microseconds"].items()}
    together = {name: round(median(each), 3) for name, each in measured["seconds"].items()}
    return Report(calls, len(measured["seconds"]["ours"]), alone, together, load)


def described(report: Report) -> str:
    """Say it in words."""
    alone, together = report.microseconds, report.threads_seconds
    rounds = f"median of {report.rounds} rounds of {report.calls:,}"
    return "\n".join(
        [
            f"microseconds a call, {rounds} (load {report.load_average:.2f})",
            *(f"  {name:<10} {value:>8.2f}" for name, value in sorted(alone.items(), key=lambda each: each[1])),
            "16 threads, 20 calls of 5 ms each, seconds",
            *(f"  {name:<10} {value:>8.3f}" for name, value in sorted(together.items(), key=lambda each: each[1])),
        ]
    )


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--calls", type=int, default=CALLS, help="in each turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; it states no target."""
    load = os.getloadavg()[0]
    report = report_of(measured(given.calls, given.rounds), given.calls, load)
    print(json_module.dumps(asdict(report)) if json else described(report))
    return 0


def measured(calls: int, rounds: int) -> dict[str, Any]:
    """Measure in a process of its own; raises CalledProcessError where that fails."""
    command = [sys.executable, "-m", "loadtests.inside.breaker_rates", "--calls", str(calls), "--rounds", str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=SECONDS)
    found: dict[str, Any] = json_module.loads(done.stdout)
    return found
