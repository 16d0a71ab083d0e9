"""Predictions of first retries beside what came of them: bins, and Brier's score beside the base rate's.

Simulated days of the fault mix of `bench first-retry` (loadtests/data/first_retry.toml), on the orchestrator's own
flows with a ledger in memory and a clock that is moved: no worker, no broker, no StackStorm. One ledger lives through
all days, each of which is drawn by a seed of its own. Every ten minutes of the world an operator looks at every open
incident, asks the dry run, and releases what waits; one release in seven is forced, and malformed requests are released
like all else. What is predicted is noted before anything goes; the base rate is told with hindsight. Attempts of one
release share their fate, so that their number says more than it is worth.
"""

from __future__ import annotations

import json as json_module
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtests.calibration.figures import Calibration, Case, Score, calibration_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

# Not used while this was written: those were 7 to 9.
SEED: Final = 20261201
DAYS: Final = 2
SECONDS_A_DAY: Final = 600.0
TARGET_MISSED: Final = 99


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--days", type=int, default=DAYS, help=f"simulated, each with a plan of its own ({DAYS})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the dice ({SEED})")
    parser.add_argument("--plan", type=Path, help="a file that declares the faults; the shipped one")


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Simulate and print; gives 99 where the predictions are no better than the base rate."""
    load = os.getloadavg()[0]
    made = calibration_of([Case.read(each) for each in simulated(given.days, given.seed, given.plan)])
    about = {"days": given.days, "seed": given.seed, "load_average": round(load, 2)}
    print(json_module.dumps(about | asdict(made)) if json else described(made, about))
    return 0 if made.score.better else TARGET_MISSED


def simulated(days: int, seed: int, plan: Path | None) -> list[dict[str, Any]]:
    """Simulate in a process of its own; raises CalledProcessError where that fails."""
    command = [sys.executable, "-m", "loadtests.inside.calibration", "--days", str(days), "--seed", str(seed)]
    command += ["--plan", str(plan)] if plan else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=SECONDS_A_DAY * days)
    found: list[dict[str, Any]] = json_module.loads(done.stdout)["cases"]
    return found


def described(made: Calibration, about: dict[str, Any]) -> str:
    """Say it in words."""
    rows = [
        f"  {each.low:>4.0%} to {each.high:>4.0%} {each.count:>7} {each.predicted:>10.1%} {each.seen:>8.1%}"
        for each in made.bins
    ]
    verdict = "better than the base rate" if made.score.better else "MISSED: no better than the base rate"
    return "\n".join(
        [
            f"seed {about['seed']}, {about['days']} simulated days (load {about['load_average']:.2f})",
            f"{made.cases} failures released; {made.never_went} never went before the end",
            f"not enough evidence for {made.not_enough} of those that went; predicted were {made.score.count}:",
            f"  {'predicted':>12} {'count':>7} {'mean':>10} {'seen':>8}",
            *rows,
            "Brier score (0 is best), beside that of the base rate",
            *(_score(name, each) for name, each in [("all", made.score), *made.sorts.items()]),
            verdict,
        ]
    )


def _score(name: str, score: Score) -> str:
    if score.brier is None:
        return f"  {name:<16} none"
    return (
        f"  {name:<16} {score.brier:.4f}, base rate {score.base_rate_brier:.4f} "
        f"({score.base_rate:.1%} of {score.count} succeeded)"
    )
