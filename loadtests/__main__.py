"""`python -m loadtests`: the benchmarks and the load test."""

from __future__ import annotations

import argparse
import importlib
import math
import pkgutil
import sys
from typing import TYPE_CHECKING

import loadtests.bench

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def benchmarks() -> dict[str, str]:
    """List the benchmarks: the name to call one by -> its module."""
    modules = pkgutil.iter_modules(loadtests.bench.__path__, f"{loadtests.bench.__name__}.")
    return {each.name.rpartition(".")[2].replace("_", "-"): each.name for each in modules}


def bench(arguments: argparse.Namespace) -> int:
    """Run one benchmark in this process, or list them; gives 99 where its stated target was missed."""
    if arguments.name is None:
        print("\n".join(benchmarks()))
        return 0
    measure: Callable[[bool], int] = importlib.import_module(benchmarks()[arguments.name]).main
    return measure(arguments.json)


def run(arguments: argparse.Namespace) -> int:
    """Run the load test; gives 1 where it could not measure."""
    play: Callable[[argparse.Namespace], int] = importlib.import_module("loadtests.run").run
    return play(arguments)


def above_zero(text: str) -> float:
    """Read a time of more than 0 seconds; raises ValueError."""
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def at_least_one(text: str) -> int:
    """Read a number of 1 or more; raises ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    verbs = top.add_subparsers(required=True)
    one = verbs.add_parser("bench", help="run one benchmark, or list them")
    one.add_argument("name", nargs="?", choices=benchmarks(), metavar="NAME")
    one.add_argument("--json", action="store_true", help="print the figures as data")
    one.set_defaults(run=bench)
    load = verbs.add_parser("run", help="load everything, and tell the plugin's overhead and the first-retry success")
    load.add_argument("--seconds", type=above_zero, default=60, help="how long the plugin is on and off in turns (60)")
    load.add_argument("--users", type=at_least_one, default=20, help="web users, at two requests a second each (20)")
    load.add_argument("--seed", type=int, help="for the order of the turns and the dice of the users")
    load.add_argument("--keep", metavar="FOLDER", help="keep logs, stamps and state in this folder")
    load.add_argument("--json", action="store_true", help="print the figures as data")
    load.set_defaults(run=run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that was asked for; gives the exit code."""
    arguments = parser().parse_args(argv)
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
