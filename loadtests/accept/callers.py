"""Callers that each wait for their own receipt before they send the next event."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from threading import Barrier, BrokenBarrierError, Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Turn:
    """Events a second of all callers, and how long one of them waited, in milliseconds."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: float, waits: Sequence[float]) -> Turn:
        """Sum the waits of one turn up."""
        ordered = sorted(waits)
        return cls(len(ordered) / seconds, median(ordered) * 1000, ordered[int(len(ordered) * 0.99)] * 1000)

    @classmethod
    def middle(cls, turns: Sequence[Turn]) -> Turn:
        """Give the median of each figure."""
        return cls(*(round(median(getattr(each, name) for each in turns), 2) for name in ("rate", "p50", "p99")))


def called(work: Sequence[Sequence[Item]], connect: Callable[[], Callable[[Item], object]]) -> Turn:
    """Have one thread for each list send its items one by one, each by a call of its own; raises what a call raised."""
    start, waits, errors = Barrier(len(work) + 1), [], []

    def run(items: Sequence[Item]) -> None:
        mine: list[float] = []
        try:
            call = _connected(connect, start)
            for item in items:
                began = time.perf_counter()
                call(item)
                mine.append(time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001 - told by the one who asked
            errors.append(error)
        waits.extend(mine)

    threads = [Thread(target=run, args=(items,)) for items in work]
    for thread in threads:
        thread.start()
    with suppress(BrokenBarrierError):
        start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if errors:
        raise next((each for each in errors if not isinstance(each, BrokenBarrierError)), errors[0])
    return Turn.of(seconds, waits)


def _connected(connect: Callable[[], Callable[[Item], object]], start: Barrier) -> Callable[[Item], object]:
    """Connect, and wait until all have; one that cannot keeps nobody waiting."""
    try:
        call = connect()
    except Exception:
        start.abort()
        raise
    start.wait()
    return call
