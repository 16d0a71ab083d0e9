"""Receipts a second: 64 callers, each waiting for its own fsynced receipt, beside bare SQLite with as many threads.

Each turn is a process of its own with a new file, the arms in turns, the median of the rounds. The peer is a table of a
number, a unique key and a payload as large as our row, with a group commit of its own (loadtests/accept/peer.py).
Beside them: processor time of an event in batches of 100 through the log's own call, and the same callers over HTTP.
"""

from __future__ import annotations

import json as json_module
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from loadtests.accept.callers import Turn
from loadtests.accept.http import by_http
from loadtests.processes import Processes

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

CALLERS: Final = 64
EVENTS: Final = 200
BATCHED: Final = 20_000
ROUNDS: Final = 5
TURN_SECONDS: Final = 300.0
TARGET_RATIO: Final = 0.8
TARGET_MICROSECONDS: Final = 10.0
TARGET_MISSED: Final = 99


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of each arm: events a second and milliseconds; processor time an event in microseconds."""

    callers: int
    events: int
    rounds: int
    log: Turn
    bare: Turn
    ratio: float
    batch_microseconds: float
    bare_batch_microseconds: float
    http: Turn | None
    http_server_processor: float | None
    http_client_processor: float | None
    load_average: float
    targets: dict[str, bool]

    @property
    def missed(self) -> bool:
        """Tell whether a stated target was missed."""
        return not all(self.targets.values())


def options(parser: ArgumentParser) -> None:
    """Describe what can be chosen."""
    parser.add_argument("--callers", type=int, default=CALLERS)
    parser.add_argument("--events", type=int, default=EVENTS, help="of each caller, in each turn")
    parser.add_argument("--batched", type=int, default=BATCHED, help="events that are appended in batches of 100")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-http", action="store_true", help="leave the turns over HTTP out")


def main(json: bool, given: Namespace) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 when a stated target was missed."""
    load = os.getloadavg()[0]
    found: dict[str, list[dict[str, float]]] = {"log": [], "bare": [], "batches": [], "http": []}
    with TemporaryDirectory(prefix="bench-accept-") as place, Processes(Path(place)) as processes:
        for number in range(given.rounds):
            # every other round begins with the peer
            for arm in ("log", "bare", "batches")[:: 1 if number % 2 else -1]:
                found[arm].append(turn_of(processes, arm, given))
            if not given.no_http:
                with TemporaryDirectory(dir=place) as folder:
                    found["http"].append(by_http(processes, Path(folder), given.callers, given.events))
    report = report_of(found, given, load)
    print(json_module.dumps(asdict(report)) if json else described(report))
    return TARGET_MISSED if report.missed else 0


def turn_of(processes: Processes, arm: str, given: Namespace) -> dict[str, float]:
    """Run one turn in a process of its own."""
    events = given.batched if arm == "batches" else given.events
    with TemporaryDirectory(dir=processes.folder) as folder:
        command = ["-m", "loadtests.inside.accept_rates", arm, "--folder", folder]
        turn = processes.start(arm, [*command, "--callers", str(given.callers), "--events", str(events)])
        code = turn.popen.wait(TURN_SECONDS)
        processes.stop(turn)
        if code != 0:
            raise RuntimeError(f"expected exit code 0 of a turn, got {code}: {turn.log.read_text()}")
        figures: dict[str, float] = json_module.loads(turn.log.read_text().splitlines()[-1])
        return figures


def report_of(found: dict[str, list[dict[str, float]]], given: Namespace, load: float) -> Report:
    """Set the arms beside each other."""
    log, bare = _middle(found["log"]), _middle(found["bare"])
    cpu = {arm: round(median(each[arm] for each in found["batches"]), 2) for arm in ("log", "bare")}
    ratio = round(
        median(ours["rate"] / theirs["rate"] for ours, theirs in zip(found["log"], found["bare"], strict=True)), 3
    )
    http = found["http"]
    return Report(
        callers=given.callers,
        events=given.callers * given.events,
        rounds=given.rounds,
        log=log,
        bare=bare,
        ratio=ratio,
        batch_microseconds=cpu["log"],
        bare_batch_microseconds=cpu["bare"],
        http=_middle(http) if http else None,
        http_server_processor=_share(http, "server_processor"),
        http_client_processor=_share(http, "client_processor"),
        load_average=round(load, 2),
        targets={
            f"receipts a second at least {TARGET_RATIO} of bare SQLite's": ratio >= TARGET_RATIO,
            f"at most {TARGET_MICROSECONDS:.0f} µs of processor an event in batches of 100": cpu["log"]
            <= TARGET_MICROSECONDS,
        },
    )


def _middle(turns: Sequence[dict[str, Any]]) -> Turn:
    return Turn.middle([Turn(each["rate"], each["p50"], each["p99"]) for each in turns])


def _share(turns: Sequence[dict[str, float]], name: str) -> float | None:
    return round(median(each[name] for each in turns), 2) if turns else None


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    rows = {"the log": report.log, "bare SQLite": report.bare} | ({"over HTTP": report.http} if report.http else {})
    lines = [f"{report.callers} callers, {report.events} events a turn, median of {report.rounds} rounds"]
    lines += [
        f"  {name:12}{row.rate:9,.0f} receipts/s   p50 {row.p50:8.1f} ms   p99 {row.p99:8.1f} ms"
        for name, row in rows.items()
    ]
    lines.append(f"  the log is {report.ratio:.2f} x bare SQLite (median of the rounds' ratios)")
    batches = (
        f"{report.batch_microseconds:.1f} µs of processor an event; bare SQLite {report.bare_batch_microseconds:.1f}"
    )
    lines.append(f"  in batches of 100: {batches}")
    if report.http:
        shares = (
            f"the server took {report.http_server_processor} of a processor, the callers {report.http_client_processor}"
        )
        lines.append(f"  over HTTP {shares}")
    lines.append(f"load average before: {report.load_average}")
    return "\n".join(
        [*lines, *(f"target: {name}: {'met' if met else 'MISSED'}" for name, met in report.targets.items())]
    )
