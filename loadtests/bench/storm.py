"""A storm: 100,000 failures of one dependency within a minute, held, and redriven once it is back.

A generator publishes failure events with eventbus.publisher: three task names, a UUID in each message. The orchestrator
and the embedded StackStorm run as processes of their own, on a copy of the packs whose window is wide open. What is
redriven arrives in a real queue; a sink takes it and answers as a worker would, in batches, because a worker that runs
100,000 tasks on the same machine would be measured instead. Memory is the orchestrator's resident set, once a second.
The peer is kombu publishing on the same bus in the same run, one message after the other, each confirmed.
"""

from __future__ import annotations

import json as json_module
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from loadtests.engines import ENGINES, RABBITMQ, chosen, opened
from loadtests.processes import Processes
from loadtests.storm.figures import described, report_of
from loadtests.storm.playing import Storm

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

FAILURES: Final = 100_000
SECONDS: Final = 60.0
TARGET_MISSED: Final = 99


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--engine", choices=ENGINES, help="the bus; RabbitMQ where it can be reached")
    parser.add_argument("--ledger", default="", metavar="URL", help="the ledger's database; a SQLite file")
    parser.add_argument("--failures", type=int, default=FAILURES)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long the storm lasts")


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Play it and print; gives 99 when a stated target was missed."""
    engine = chosen(given.engine, RABBITMQ)
    with TemporaryDirectory(prefix="bench-storm-") as place:
        folder = Path(place)
        with opened(engine, folder) as url, Processes(folder) as processes:
            played = Storm(processes, engine, url, given.failures, given.seconds, given.ledger).play()
    report = report_of(played, engine, given.ledger.partition(":")[0] or "sqlite", given.failures)
    print(json_module.dumps(asdict(report)) if json else described(report))
    return TARGET_MISSED if report.missed else 0
