"""A million runs that succeed: the memory of child and parent stays as it is, and every run is counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from eventbus import wire
from tests.integration.worker_harness import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 1_000_000
A_MESSAGE = 250
CHILDREN = 2
SECONDS = 2_400
MEBIBYTE = 1 << 20
# What a process may grow by after its first fifth: 0.8 million runs of which each leaves a dozen bytes would show.
GROWTH = 8 * MEBIBYTE


class Sampler:
    """The resident bytes of a worker's processes, by role, once in a while."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sizes: dict[int, list[int]] = {}

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.5):
            for pid in (self._parent, *children_of(self._parent)):
                self.sizes.setdefault(pid, []).append(resident_bytes(pid))

    def told(self) -> dict[str, list[int]]:
        """Give, for each process, its size after each fifth of the time."""
        names = {pid: "parent" if pid == self._parent else f"child {pid}" for pid in self.sizes}
        fifths = {pid: [sizes[len(sizes) * part // 5] for part in range(1, 5)] for pid, sizes in self.sizes.items()}
        return {names[pid]: [*fifths[pid], sizes[-1]] for pid, sizes in self.sizes.items()}


def children_of(pid: int) -> list[int]:
    """List the processes that a process has forked."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_bytes(pid: int) -> int:
    """Tell how much of a process is in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_a_million_runs_are_counted_and_leave_nothing_behind(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """All runs are in the aggregates on the bus, and neither parent nor child has grown by more than a few MiB."""
    began = time.monotonic()
    bus = f"redrive+sqlite:///{tmp_path}/bus.sqlite"
    with WorkerBench(tmp_path, bus, app="tests.integration.million_app") as bench, Sampler(bench.pid) as sampler:
        for _ in range(RUNS // A_MESSAGE):
            bench.send("million.many", A_MESSAGE)
        counted: Counter[str] = Counter()
        bench.wait_for(lambda: done(bench, counted), SECONDS, every=1)
    sizes = sampler.told()
    record_property("resident_bytes", sizes)
    told = "; ".join(
        f"{name} {', '.join(f'{size / MEBIBYTE:.1f}' for size in each)} MiB" for name, each in sizes.items()
    )
    print(f"{counted['million.nothing']} runs in {time.monotonic() - began:.0f} s: {told}")  # noqa: T201 - measured figures, for whoever runs it with -s
    assert counted == {"million.nothing": RUNS, "million.many": RUNS // A_MESSAGE}
    assert len(sizes) == 1 + CHILDREN
    assert all(max(each) - each[0] < GROWTH for each in sizes.values()), sizes


def done(bench: WorkerBench, counted: Counter[str]) -> bool | None:
    """Add up the aggregates that came; None while runs are missing."""
    counted.clear()
    for event in bench.events(wire.TASK_OUTCOMES):
        for count in event.data["counts"]:
            counted[count["task"]] += count["succeeded"]
            assert count["failed"] == 0
    return counted.total() >= RUNS + RUNS // A_MESSAGE or None
