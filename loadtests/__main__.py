"""`python -m loadtests`: the benchmarks and the load test."""

from __future__ import annotations

import argparse
import importlib
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


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    verbs = top.add_subparsers(required=True)
    one = verbs.add_parser("bench", help="run one benchmark, or list them")
    one.add_argument("name", nargs="?", choices=benchmarks(), metavar="NAME")
    one.add_argument("--json", action="store_true", help="print the figures as data")
    one.set_defaults(run=bench)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that was asked for; gives the exit code."""
    arguments = parser().parse_args(argv)
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
