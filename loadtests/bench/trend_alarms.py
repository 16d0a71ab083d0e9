"""The regression test of `trend`, on runs that were kept: how often equal code is told slower, and slower code found.

Of the newest run's kind (scenario, load, faults, engines, machine, commit not asked for) all runs that were not broken
on purpose are taken for equal code: it is for whoever asks to keep a history of one commit. The runs of `--sabotage
slower-build` are the slower code; where there are none, nobody has shown that one is found, and it ends with 1: each
run's figures times 1.2 are told beside, and stand in for nothing.
"""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from loadtests.history.alarms import EARLIER, FEWEST_RUNS, FOUND, Alarms, Share, alarms
from loadtests.history.reading import Reading, reading_of
from loadtests.history.store import History, HistoryInvalid
from loadtests.history.verbs import HISTORY

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

ORDERS: Final = 1_000
SEED: Final = 20261129
SLOWER_BUILD: Final = "slower-build"
TARGET_MISSED, COULD_NOT_MEASURE = 99, 1


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--history", type=Path, default=HISTORY, help=f"where the runs are kept ({HISTORY})")
    parser.add_argument("--scenario", help="that of the newest run")
    parser.add_argument("--engines", choices=("embedded", "real"), help="those of the newest run")
    parser.add_argument("--orders", type=int, default=ORDERS, help=f"random orders of the nights ({ORDERS})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the orders ({SEED})")


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 where it is louder or more deaf than it says, 1 where too little was played."""
    try:
        equal, slowed = kept(History(given.history), given.scenario, given.engines)
    except HistoryInvalid as error:
        print(error, file=sys.stderr)
        return COULD_NOT_MEASURE
    made = alarms(equal, slowed, given.orders, Random(given.seed))
    print(json_module.dumps(as_data(made, equal)) if json else described(made, equal))
    if made.too_loud or made.too_deaf:
        return TARGET_MISSED
    return 0 if made.each.of and made.found_runs.of else COULD_NOT_MEASURE


def kept(history: History, scenario: str | None, engines: str | None) -> tuple[list[Reading], list[Reading]]:
    """Give the runs of equal code and those of the slower one, oldest first; raises HistoryInvalid for too few."""
    found = [reading_of(each) for each in history.runs(scenario, engines)]
    alike = [each for each in found if each.comparable == found[-1].comparable]
    equal = [each for each in alike if each.sabotage is None]
    if len(equal) < FEWEST_RUNS:
        raise HistoryInvalid(
            f"expected at least {FEWEST_RUNS} runs that are alike in {history.folder}, got {len(equal)}; play more"
        )
    return equal, [each for each in alike if each.sabotage == SLOWER_BUILD]


def as_data(made: Alarms, equal: list[Reading]) -> dict[str, Any]:
    """Give it as data, with the commits that the runs were of."""
    judged = {"too_loud": made.too_loud, "too_deaf": made.too_deaf}
    origins = {"commits": sorted({str(each.commit) for each in equal}), "dirty": sum(each.dirty for each in equal)}
    return asdict(made) | judged | origins


def described(made: Alarms, equal: list[Reading]) -> str:
    """Say it in words."""
    figures = ", ".join(f"{name} {count}" for name, count in made.by_figure.items()) or "none"
    return "\n".join(
        [
            f"{made.runs} runs that are alike, of {origin(equal)}; {made.rule}",
            f"of these runs, had nothing that could be tested, and count nowhere: {made.untested}",
            f"told slower though equal, each run against all others: {words(made.each)}",
            f"the same over every night of the random orders: {words(made.nights)} (by figure: {figures})",
            f"found, builds slower on purpose, {EARLIER} runs before: {words(made.found)}",
            f"of these builds, found in most draws: {words(made.found_runs)}",
            f"found, equal runs with their tested figures times 1.2: {words(made.as_if)}",
            "swing of each figure: " + ", ".join(f"{name} {spread:.1%}" for name, spread in made.spreads.items()),
            verdict(made),
        ]
    )


def origin(equal: list[Reading]) -> str:
    """Say which code the runs are of, and where it is not one commit as it stands: then they are not of equal code."""
    commits, changed = len({each.commit for each in equal}), sum(each.dirty for each in equal)
    told = f"{commits} commit{'s' * (commits != 1)}" + (
        f", {changed} run{'s' * (changed != 1)} with changes" if changed else ""
    )
    return told if commits == 1 and not changed else f"{told} (NOT one clean commit: an alarm may be right)"


def words(share: Share) -> str:
    """Say a share."""
    if share.share is None:
        return "none was played that could be tested"
    told = f"{share.count} of {share.of}, {share.share:.1%}"
    if share.low is None or share.high is None:
        return f"{told} (not independent: no interval)"
    return f"{told} (95 %: {share.low:.1%} to {share.high:.1%})"


def verdict(made: Alarms) -> str:
    """Say what was shown, and what was not: few runs without an alarm are no proof of a rule that is kept."""
    loud = f"MISSED: more than {made.rule.alpha:.0%} of equal runs are told slower"
    quiet = f"not shown to break its rule of {made.rule.alpha:.0%} of equal runs told slower"
    deaf = f"MISSED: fewer than {FOUND:.0%} of slower builds are found"
    blind = f"NOT MEASURED: expected runs of --sabotage {SLOWER_BUILD} that can be tested, got none; play some"
    untold = "NOT MEASURED: expected equal runs that can be tested, got none"
    heard = "the builds that are 20 % slower are found" if made.found_runs.of else blind
    return "\n".join([(loud if made.too_loud else quiet) if made.each.of else untold, deaf if made.too_deaf else heard])
