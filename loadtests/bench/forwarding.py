"""Events a second that one relay forwards, beside the RudderStack SDK's client; rows a second, and seconds to a reader.

The relay is a real `redrive run --parts relay` on a SQLite log, whose only busy sink is RudderStack. Both post to one
gateway in a process of its own that unpacks and checks every message; in turns, median of the rounds. The clock is the
gateway's: from its first batch to its last. What the relay sends was on disk before, under its own messageId; what the
SDK sends is in its memory. The warehouse is a PostgreSQL database that is dropped afterwards.
"""

from __future__ import annotations

import json as json_module
import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import psycopg

from loadtests.crash.stores import POSTGRESQL, opened
from loadtests.forwarding.figures import described, report_of, warehouse_of
from loadtests.forwarding.gateway import Gateway
from loadtests.forwarding.queryable import measured
from loadtests.forwarding.relaying import Turns
from loadtests.processes import Processes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from loadtests.forwarding.figures import Warehouse
    from loadtests.forwarding.relaying import Run

EVENTS: Final = 30_000
ROUNDS: Final = 3
ROWS: Final = 100_000
RATE: Final = 1_000
SECONDS: Final = 40.0
WAREHOUSE_SECONDS: Final = 600.0
TARGET_MISSED: Final = 99


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--events", type=int, default=EVENTS, help="in each turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=ROWS, help="loaded in each round")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at 1,000 events a second")


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 when a stated target was missed."""
    load = os.getloadavg()[0]
    with TemporaryDirectory(prefix="bench-forwarding-") as place, Processes(Path(place)) as processes:
        gateway = Gateway.started(processes)
        ceiling = gateway.ceiling()
        runs = _rounds(Turns(processes, gateway, given.events), given.rounds)
        warehouse = _warehouse(processes, given)
    report = report_of(runs, given.events, ceiling, warehouse, load)
    print(json_module.dumps(asdict(report)) if json else described(report))
    return TARGET_MISSED if report.missed else 0


def _rounds(turns: Turns, rounds: int) -> list[Run]:
    return [turn() for _ in range(rounds) for turn in (turns.sdk, turns.stored, turns.live)]


def _warehouse(processes: Processes, given: Namespace) -> Warehouse | None:
    """Measure rows a second and the way to a reader; None where no PostgreSQL answers."""
    try:
        with opened(POSTGRESQL, processes.folder) as urls:
            rounds = _loaded(processes, urls["warehouse"], given.rows, given.rounds)
        with opened(POSTGRESQL, processes.folder) as urls:
            return warehouse_of(rounds, measured(processes, urls["warehouse"], RATE, given.seconds), RATE)
    except psycopg.OperationalError:
        return None


def _loaded(processes: Processes, warehouse: str, rows: int, rounds: int) -> list[dict[str, Any]]:
    command = ["-m", "loadtests.inside.warehouse_rates", "--warehouse", warehouse]
    loading = processes.start("rates", [*command, "--rows", str(rows), "--rounds", str(rounds)])
    if loading.popen.wait(WAREHOUSE_SECONDS) != 0:
        raise RuntimeError(f"expected exit code 0, got {loading.popen.returncode}: {loading.log.read_text()}")
    processes.stop(loading)
    found: list[dict[str, Any]] = json_module.loads(loading.log.read_text().splitlines()[-1])
    return found
