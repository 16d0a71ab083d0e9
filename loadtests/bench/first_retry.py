"""First retries: of the tasks that failed, how many succeed when they are run again for the first time.

A declared mix of faults (loadtests/data/first_retry.toml), drawn by a seed: outages with the shape of public incident
records, partial outages, 429 with Retry-After, deadlocks, OOM kills, malformed requests, poison. Each contestant has a
real worker, a real provider process that keeps the plan's clock, and a real bus of its own, and meets the same plan.
Everybody's delays, caps, intervals and Retry-After are divided by the printed scale; what the machine itself takes
(a publish, a poll, a fork) is not, and counts 240 times as long as it is in everybody's waits. Redrive's arm runs
alone, the others side by side after it. Redrive alone probes, at the provider's own /health, which knows the truth at
once: its share is what a probe without lag and without false answers allows. Recoverable is what succeeds once its
dependency is back: outage, partial, rate_limited, deadlock, oom; permanent and poison never succeed. What is counted
comes from the worker's and the provider's own records; where they, or the ledger, disagree, the run has measured
nothing.
"""

from __future__ import annotations

import json as json_module
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from loadtests.engines import EMBEDDED, ENGINES, chosen
from loadtests.first_retry.arm import Arm
from loadtests.first_retry.figures import account_of
from loadtests.first_retry.plan import declared, draw
from loadtests.first_retry.policies import CONTESTANTS, REDRIVE
from loadtests.first_retry.table import ALONE, LEGEND, ORACLE, compared, told

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from loadtests.first_retry.figures import Account
    from loadtests.first_retry.plan import Plan
    from loadtests.first_retry.policies import Contestant

# Not used while this was written: those were 1 to 9.
SEED: Final = 20261201
LEAD_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 1.0
DISAGREES: Final = 1
TARGET_MISSED: Final = 99


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the dice ({SEED})")
    parser.add_argument("--plan", type=Path, help="a file that declares the faults; the shipped one")
    parser.add_argument("--engine", choices=ENGINES, default=EMBEDDED, help="the bus (embedded)")
    names = [each.name for each in CONTESTANTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and records there")


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Run the contest and print; gives 99 when a stated goal was missed, 1 where records disagree."""
    plan = draw(declared(given.plan), given.seed)
    engine = chosen(given.engine, EMBEDDED)
    with TemporaryDirectory(prefix="bench-first-retry-") as place:
        folder = given.keep or Path(place)
        contestants = [each for each in CONTESTANTS if each.name in given.only]
        alone = [each for each in contestants if each.name == REDRIVE]
        others = [each for each in contestants if each.name != REDRIVE]
        accounts = [*_contest(alone, folder, plan, engine), *_contest(others, folder, plan, engine)]
    ours = [each for each in accounts if each.contestant == REDRIVE]
    missed = [what for each in ours for what in each.missed]
    print(_data(plan, accounts, missed) if json else _text(plan, accounts, missed))
    if any(each.disagreements for each in accounts):
        return DISAGREES
    return TARGET_MISSED if missed else 0


def _contest(contestants: Sequence[Contestant], folder: Path, plan: Plan, engine: str) -> list[Account]:
    """Let contestants meet the plan side by side."""
    if not contestants:
        return []
    with ExitStack() as stack:
        arms = [stack.enter_context(Arm(each.name, folder / each.name, plan, engine)) for each in contestants]
        for arm in arms:
            arm.start()
        print(f"{', '.join(each.name for each in contestants)}: {_length(plan):.0f} s and more", file=sys.stderr)
        zero = time.time() + LEAD_SECONDS
        for arm in arms:
            arm.begin(zero)
        while not all(arm.over() for arm in arms):
            time.sleep(LOOK_SECONDS)
        counts = [arm.ledger() for arm in arms]
        return [
            account_of(arm.record(), each.name, each.settings, count)
            for arm, each, count in zip(arms, contestants, counts, strict=True)
        ]


def _length(plan: Plan) -> float:
    return max([plan.seconds, *(each.ends for each in plan.windows)])


def _data(plan: Plan, accounts: Sequence[Account], missed: Sequence[str]) -> str:
    arms = [asdict(each) | {"missed": each.missed} for each in accounts]
    return json_module.dumps(asdict(plan) | {"contestants": arms, "missed": list(missed)})


def _text(plan: Plan, accounts: Sequence[Account], missed: Sequence[str]) -> str:
    minutes = sorted(
        round((each.ends - each.begins) * plan.scale / 60) for each in plan.windows if each.kind == "outage"
    )
    head = [
        f"seed {plan.seed}; one second of the run stands for {plan.scale:g} of the world; {len(plan.calls)} calls each",
        f"outages of {', '.join(map(str, minutes))} minutes",
        LEGEND,
        ORACLE,
        ALONE,
    ]
    goals = "99 % of the recoverable, 95 % of all released, no recoverable one never released"
    verdict = "; ".join(["MISSED", *missed]) if missed else "met"
    parts = ["\n".join(head), *(told(each) for each in accounts), compared(accounts), f"goal: {goals}: {verdict}"]
    return "\n\n".join(parts)
