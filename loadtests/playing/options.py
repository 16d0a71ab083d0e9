"""What a run can be asked for on the command line."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtests import sabotage
from loadtests.scenarios.reading import shipped
from loadtests.scenarios.scenario import Engines

if TYPE_CHECKING:
    import argparse

FOLDER: Final = ".loadtests"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run as it was asked for. `seconds` and `rate` (calls a second) take the place of the scenario's."""

    scenario: str
    engines: Engines | None = None
    seed: int | None = None
    seconds: float | None = None
    rate: float | None = None
    out: Path = Path(FOLDER)
    keep: bool = False
    profile: bool = False
    sabotage: str | None = None
    report_to: str | None = None
    json: bool = False


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run to a parser."""
    parser.add_argument("scenario", metavar="SCENARIO", help=f"one of {', '.join(shipped())}, or a scenario's file")
    parser.add_argument("--engines", type=Engines, choices=list(Engines), help="in the place of the scenario's own")
    parser.add_argument("--seed", type=_seed, help="for the order of blocks, the load and the faults")
    parser.add_argument("--seconds", type=_above_zero, help="how long to load, in the place of the scenario's length")
    parser.add_argument("--rate", type=_above_zero, help="calls a second, where a phase has no rate of its own")
    parser.add_argument("--out", type=Path, default=Path(FOLDER), help=f"where reports and history go ({FOLDER})")
    parser.add_argument("--keep", action="store_true", help="keep logs, stamps and databases beside the report")
    parser.add_argument("--profile", action="store_true", help="draw flame graphs of orchestrator and worker")
    parser.add_argument("--sabotage", choices=sabotage.NAMES, help="break something that the run has to notice")
    parser.add_argument("--report-to", metavar="URL", help="an orchestrator that is told of the run by an event")
    parser.add_argument("--json", action="store_true", help="print the report as data")


def wanted(arguments: argparse.Namespace) -> Wanted:
    """Take what was parsed."""
    names = Wanted.__slots__
    return Wanted(**{name: getattr(arguments, name) for name in names})


def token() -> str | None:
    """Give the token for the orchestrator that is told of a run, where there is one."""
    return os.environ.get("REDRIVE_API_TOKEN")


def _seed(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _above_zero(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds
