"""`python -m loadtests`: the benchmarks and the load test."""

from __future__ import annotations

import argparse
import importlib
import math
import pkgutil
import sys
from typing import TYPE_CHECKING

import loadtests.bench
from loadtests.serving import options as serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def benchmarks() -> dict[str, str]:
    """List the benchmarks: the name to call one by -> its module."""
    modules = pkgutil.iter_modules(loadtests.bench.__path__, f"{loadtests.bench.__name__}.")
    return {each.name.rpartition(".")[2].replace("_", "-"): each.name for each in modules}


def bench(arguments: argparse.Namespace) -> int:
    """Run one benchmark in this process, or list them; gives 99 where its stated target was missed.

    A benchmark with options of its own has `options(parser)`, and its `main` is given what they were.
    """
    if arguments.name is None:
        print("\n".join(benchmarks()))
        return 0
    module = importlib.import_module(benchmarks()[arguments.name])
    own = argparse.ArgumentParser(prog=f"python -m loadtests bench {arguments.name}", add_help=False)
    describe: Callable[[argparse.ArgumentParser], None] | None = getattr(module, "options", None)
    if describe is None:
        own.parse_args(arguments.more)
        return int(module.main(arguments.json))
    describe(own)
    return int(module.main(arguments.json, own.parse_args(arguments.more)))


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
    one.epilog = "options of one benchmark stand in docs/loadtests.md"
    one.set_defaults(run=bench)
    load = verbs.add_parser("run", help="load everything, and tell the plugin's overhead and the first-retry success")
    load.add_argument("--seconds", type=above_zero, default=60, help="how long the plugin is on and off in turns (60)")
    load.add_argument("--users", type=at_least_one, default=20, help="web users, at two requests a second each (20)")
    load.add_argument("--seed", type=int, help="for the order of the turns and the dice of the users")
    load.add_argument("--keep", metavar="FOLDER", help="keep logs, stamps and state in this folder")
    load.add_argument("--json", action="store_true", help="print the figures as data")
    load.set_defaults(run=run)
    served = verbs.add_parser("serve", help="play scenarios for whoever asks over HTTP, one at a time")
    serving.describe(served)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that was asked for; gives the exit code."""
    reader = parser()
    arguments, more = reader.parse_known_args(argv)
    if more and (arguments.run is not bench or arguments.name is None):
        reader.error(f"unrecognized arguments: {' '.join(more)}")
    arguments.more = more
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
