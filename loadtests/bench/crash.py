"""Kills: the orchestrator dies by SIGKILL at each named step and at random moments, while clients keep sending.

A client notes an event as accepted once it has a receipt, and hands it over again until then; it is never killed, nor
are bus, gateway and database. After the last kill the orchestrator is started once more and drains. Then the accepted
ids are compared, one by one, with the warehouse's rows and with what came to a gateway that checks as a real one does.
"""

from __future__ import annotations

import json as json_module
import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from loadtests.crash.figures import described, report_of
from loadtests.crash.playing import PLACES, Crashes
from loadtests.crash.stores import SQLITE, STORES, opened
from loadtests.processes import Processes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from loadtests.crash.figures import Report

KILLS: Final = 100
SEED: Final = 20261128
TARGET_MISSED: Final = 99


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--kills", type=int, default=KILLS, help="at random moments, besides one at each named step")
    parser.add_argument("--store", choices=STORES, default=SQLITE)
    parser.add_argument("--seed", type=int, default=SEED)


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Play it and print; gives 99 when the stated target was missed."""
    with TemporaryDirectory(prefix="bench-crash-") as place:
        report = played(Path(place), given.store, given.kills, given.seed)
    print(json_module.dumps(asdict(report)) if json else described(report))
    return TARGET_MISSED if report.missed else 0


def played(folder: Path, store: str, kills: int, seed: int, places: Sequence[str] = PLACES) -> Report:
    """Play one run in a folder, with a kill at each of these places and at random moments, and report."""
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        urls = stack.enter_context(opened(store, folder))
        processes = stack.enter_context(Processes(folder))
        return report_of(Crashes(processes, urls, kills, Random(seed), places).play(), store, seed, load)
