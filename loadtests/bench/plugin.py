"""What the plugin adds to a task that succeeds, beside OpenTelemetry's Celery instrumentation, in one run.

Six prefork workers with one child each, all on one RabbitMQ: without the plugin; with it and the event bus up, 200 ms
away, black-holed, and down; and with OpenTelemetry (whose spans go nowhere: its cheapest case). The workers take turns,
in random order within each round. Each takes one message at a time, so that what is added in its parent or in its child
lies between the beginnings of two tasks: that is what is measured. A round gives, for each worker, a median and a 95th
percentile; its difference to the one without the plugin in the same round is one sample; the figure is the median of
the samples, its interval the bootstrap's over rounds.
"""

from __future__ import annotations

import json as json_module
import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from loadtests.apps.feeder import Feeder
from loadtests.processes import Processes
from loadtests.proxy import Proxy, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUNDS: Final = 30
TASKS: Final = 250
RESAMPLES: Final = 5_000
SEED: Final = 20261120
PATIENCE: Final = 60.0
POLL: Final = 0.01
OFF, UP, SLOW, BLACK_HOLE, DOWN, OTEL = "off", "up", "slow", "black_hole", "down", "opentelemetry"
VARIANTS: Final = (OFF, UP, SLOW, BLACK_HOLE, DOWN, OTEL)
MEDIAN_MICROSECONDS: Final = 30.0
P95_MICROSECONDS: Final = 1_000.0
TARGET: Final = "median added at most 30 us and at most OpenTelemetry's; p95 added under 1 ms, however the bus is"
TARGET_MISSED: Final = 99
UNREACHABLE: Final = 4
AMQP_VARIABLE: Final = "REDRIVE_TEST_AMQP_URL"
DEFAULT_URL: Final = "amqp://guest:guest@127.0.0.1:5672//"


@dataclass(frozen=True, slots=True)
class Added:
    """Microseconds added to a task, with the 95 % interval."""

    microseconds: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.microseconds:8.1f} us ({self.low:.1f} to {self.high:.1f})"


@dataclass(frozen=True, slots=True)
class Report:
    """What each variant adds to the median and the 95th percentile; `off` is the time between two tasks without it."""

    rounds: int
    tasks_of_a_round: int
    seed: int
    off_median_microseconds: float
    off_p95_microseconds: float
    median: dict[str, Added]
    p95: dict[str, Added]
    median_up_to_opentelemetry: float
    target: str
    target_met: bool


def main(json: bool) -> int:  # noqa: FBT001 - every benchmark is called so
    """Measure and print; gives 99 when the stated target was missed, 4 without a RabbitMQ."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are stopped
    url = os.environ.get(AMQP_VARIABLE, DEFAULT_URL)
    try:
        report = report_of(measured(url, Random(SEED)), Random(SEED))
    except ConnectionError as error:
        print(f"expected RabbitMQ at the address in {AMQP_VARIABLE}, got {type(error).__name__}", file=sys.stderr)
        return UNREACHABLE
    print(json_module.dumps(asdict(report)) if json else described(report))
    return 0 if report.target_met else TARGET_MISSED


def measured(url: str, dice: Random) -> list[dict[str, list[int]]]:
    """Run the rounds: for each, variant -> nanoseconds between the beginnings of successive tasks."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="redrive-bench-")))
        buses = stack.enter_context(_buses(url))
        processes = stack.enter_context(Processes(folder))
        bench = Bench(url, folder, f"redrive-bench-{uuid4().hex[:8]}")
        stack.callback(bench.close)
        for variant in VARIANTS:
            processes.start(variant, bench.command(variant), bench.environment(variant, buses.get(variant, url)))
        for variant in VARIANTS:
            bench.turn(variant)  # the first turn warms up, and waits until the worker is there
        rounds = []
        for _ in range(ROUNDS):
            order = dice.sample(VARIANTS, len(VARIANTS))
            rounds.append({variant: bench.turn(variant) for variant in order})
        return rounds


@contextmanager
def _buses(url: str) -> Iterator[dict[str, str]]:
    """Give the addresses of the event bus in each of its states; the broker itself stays as it is."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 5672
    credentials = parts.netloc.rpartition("@")[0]
    with ExitStack() as stack:
        made = {}
        for variant, weather in ((SLOW, Weather.SLOW), (BLACK_HOLE, Weather.BLACK_HOLE), (DOWN, Weather.DOWN)):
            proxy = stack.enter_context(Proxy(host, port, weather))
            netloc = f"{credentials}@127.0.0.1:{proxy.port}" if credentials else f"127.0.0.1:{proxy.port}"
            made[variant] = urlunsplit(parts._replace(netloc=netloc))
        yield made


class Bench:
    """The six workers' queues: `turn` sends one of them a block of tasks and gives the times between them."""

    def __init__(self, url: str, folder: Path, prefix: str) -> None:
        self._feeder = Feeder(url)
        self._url = url
        self._folder = folder
        self._prefix = prefix
        self._turns = 0

    def command(self, variant: str) -> Sequence[str]:
        """Give the command of a variant's worker."""
        options = ["--pool", "prefork", "-c", "1", "-Q", self._queue(variant), "-n", f"{variant}@bench"]
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        return ["-m", "celery", "-A", "loadtests.apps.idle", "worker", *options, *quiet]

    def environment(self, variant: str, bus: str) -> dict[str, str]:
        """Give the environment of a variant's worker."""
        spool = self._folder / f"spool-{variant}"
        return {"BROKER": self._url, "REDRIVE_BENCH": variant, "REDRIVE_BUS_URL": bus, "REDRIVE_SPOOL_DIR": str(spool)}

    def turn(self, variant: str) -> list[int]:
        """Let a worker run one block of tasks; raises TimeoutError when it does not come to the end."""
        self._turns += 1
        go, told = (self._folder / f"{self._turns}.{what}" for what in ("go", "told"))
        self._send(variant, "idle.hold", str(go))
        for _ in range(TASKS):
            self._send(variant, "idle.nothing")
        self._send(variant, "idle.tell", str(told))
        go.touch()
        self._wait(told, variant)
        began = json_module.loads(told.read_text())
        return [after - before for before, after in pairwise(began)]

    def close(self) -> None:
        """Delete the queues."""
        self._feeder.delete(self._queue(variant) for variant in VARIANTS)

    def _queue(self, variant: str) -> str:
        return f"{self._prefix}-{variant}"

    def _send(self, variant: str, task: str, *arguments: str) -> None:
        self._feeder.send(self._queue(variant), task, *arguments)

    def _wait(self, path: Path, variant: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not path.exists():
            if time.monotonic() > deadline:
                log = (self._folder / f"{variant}.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(
                    f"expected {TASKS} tasks within {PATIENCE:.0f} s of {variant}, got none; its log:\n{log}"
                )
            time.sleep(POLL)


def report_of(rounds: Sequence[dict[str, list[int]]], dice: Random) -> Report:
    """Set every variant beside the one without the plugin, round by round."""
    middles = {name: [median(each[name]) for each in rounds] for name in VARIANTS}
    tails = {name: [quantiles(each[name], n=20)[-1] for each in rounds] for name in VARIANTS}
    at_median = {name: added(middles[name], middles[OFF], dice) for name in VARIANTS if name != OFF}
    at_p95 = {name: added(tails[name], tails[OFF], dice) for name in VARIANTS if name != OFF}
    ours, theirs = at_median[UP].microseconds, at_median[OTEL].microseconds
    worst = max(each.microseconds for name, each in at_p95.items() if name != OTEL)
    return Report(
        rounds=len(rounds),
        tasks_of_a_round=TASKS,
        seed=SEED,
        off_median_microseconds=round(median(middles[OFF]) / 1000, 1),
        off_p95_microseconds=round(median(tails[OFF]) / 1000, 1),
        median=at_median,
        p95=at_p95,
        median_up_to_opentelemetry=round(ours / theirs, 2) if theirs > 0 else float("inf"),
        target=TARGET,
        target_met=ours <= min(MEDIAN_MICROSECONDS, theirs) and worst < P95_MICROSECONDS,
    )


def added(with_it: Sequence[float], without: Sequence[float], dice: Random) -> Added:
    """Give the median of the rounds' differences, in microseconds, with the percentile bootstrap's interval."""
    differences = [(on - off) / 1000 for on, off in zip(with_it, without, strict=True)]
    drawn = sorted(median(dice.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    low, high = drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1]
    return Added(round(median(differences), 1), round(low, 1), round(high, 1))


def described(report: Report) -> str:
    """Write the report as a person reads it."""
    lines = [
        f"{report.rounds} rounds of {report.tasks_of_a_round} tasks for each worker",
        f"without the plugin: {report.off_median_microseconds:.0f} us (p95 {report.off_p95_microseconds:.0f} us)",
        f"{'added by':15}{'to the median':>32}{'to the 95th percentile':>34}",
    ]
    lines += [f"{name:15}{report.median[name]!s:>32}{report.p95[name]!s:>34}" for name in report.median]
    lines.append(f"the plugin's median is {report.median_up_to_opentelemetry:.2f} of OpenTelemetry's")
    return "\n".join([*lines, f"target: {report.target}: {'met' if report.target_met else 'MISSED'}"])
