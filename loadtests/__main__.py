"""`python -m loadtests`: load tests by scenario, what they found over the nights, and the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING, Final

import loadtests.bench
from loadtests.history import verbs as history
from loadtests.playing import options
from loadtests.serving import options as serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PLAY: Final = "play"
ABOUT: Final = f"""{__doc__}

A scenario may stand in the place of the verb: `python -m loadtests smoke` is `python -m loadtests play smoke`."""


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


def play(arguments: argparse.Namespace) -> int:
    """Play a scenario; gives 0, 99 where a gate is missed, 1 where it could not measure, 2 for what it cannot read."""
    run: Callable[[options.Wanted], int] = importlib.import_module("loadtests.playing.command").run
    return run(options.wanted(arguments))


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="python -m loadtests", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = top.add_subparsers(required=True, metavar="VERB")
    played = verbs.add_parser(PLAY, help="play a scenario, and hold what was measured against its gates")
    options.describe(played)
    played.set_defaults(run=play)
    history.describe(verbs)
    one = verbs.add_parser("bench", help="run one benchmark, or list them")
    one.add_argument("name", nargs="?", choices=benchmarks(), metavar="NAME")
    one.add_argument("--json", action="store_true", help="print the figures as data")
    one.epilog = "options of one benchmark stand in docs/loadtests.md"
    one.set_defaults(run=bench)
    served = verbs.add_parser("serve", help="play scenarios for whoever asks over HTTP, one at a time")
    serving.describe(served)
    return top


def spelt_out(reader: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    """Put the verb in front of a scenario that stands alone."""
    verbs = {name for action in reader._actions for name in (action.choices or ())}  # noqa: SLF001 - argparse has no other way to ask
    named = bool(argv) and not argv[0].startswith("-") and argv[0] not in verbs
    return [PLAY, *argv] if named else list(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that was asked for; gives the exit code."""
    reader = parser()
    arguments, more = reader.parse_known_args(spelt_out(reader, sys.argv[1:] if argv is None else argv))
    if more and (arguments.run is not bench or arguments.name is None):
        reader.error(f"unrecognized arguments: {' '.join(more)}")
    arguments.more = more
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
