"""A fixed piece of work, the same in every run: how fast this machine is just now, whatever the code under test does.

What a run measured is held against it before one night is compared with another (docs/trend.md).
"""

from __future__ import annotations

import math
import os
import socket
import tempfile
import time
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOPS: Final = 31
STEPS: Final = 200_000
SYNCS: Final = 25
PAGE: Final = b"\0" * 4096
TRIPS: Final = 300
WORD: Final = b"x" * 64
ANSWER_SECONDS: Final = 10.0


def measure(folder: Path | None = None) -> dict[str, float]:
    """Do the work, about a second of it, and give what each part took, in seconds: the median of its repetitions.

    `loop_s` is arithmetic in Python by the clock, `loop_cpu_s` the same in processor time, `fsync_s` a page written
    through to the disk of `folder` (the system's temporary one), `loopback_s` a round trip of 64 bytes over TCP on
    loopback. Raises OSError where the folder cannot be written.
    """
    wall, processor = _loops()
    return {"loop_s": wall, "loop_cpu_s": processor, "fsync_s": _syncs(folder), "loopback_s": _trips()}


def tick() -> dict[str, float]:
    """Do a tenth of the loop once, for every second of a run: a shared machine is another one a minute later.

    Takes some milliseconds, and gives `tick_s` by the clock and `tick_cpu_s` in processor time.
    """
    wall, spent = _loop(STEPS // 10)
    return {"tick_s": wall, "tick_cpu_s": spent}


def summary(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Give the middle of each part over the moments of one run that have it, and `drift`: by which share the two
    furthest apart differ in `loop_s`. Of two the middle is the geometric mean. Nothing measured gives nothing.
    """
    names = dict.fromkeys(name for each in measured for name in each)
    logs = {name: [math.log(each[name]) for each in measured if each.get(name, 0) > 0] for name in names}
    means = {name: math.exp(median(found)) for name, found in logs.items() if found}
    loops = [each["loop_s"] for each in measured if each.get("loop_s", 0) > 0]
    return means | {"drift": max(loops) / min(loops) - 1} if loops else means


def _loops() -> tuple[float, float]:
    """Count up and hash into a small table, as interpreted code does; gives wall and processor seconds."""
    times = [_loop(STEPS) for _ in range(LOOPS)]
    return median(wall for wall, _ in times), median(spent for _, spent in times)


def _loop(steps: int) -> tuple[float, float]:
    # The thread's own processor time: others of this process may work meanwhile.
    began, spent = time.perf_counter(), time.thread_time()
    table: dict[int, int] = {}
    for step in range(steps):
        table[step & 1023] = step * 3 ^ table.get(step & 511, 7)
    return time.perf_counter() - began, time.thread_time() - spent


def _syncs(folder: Path | None) -> float:
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        return median(_sync(file.fileno()) for _ in range(SYNCS))


def _sync(descriptor: int) -> float:
    began = time.perf_counter()
    os.write(descriptor, PAGE)
    os.fsync(descriptor)
    return time.perf_counter() - began


def _trips() -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        echo = Thread(target=_echo, args=(server,), daemon=True)
        echo.start()
        with socket.create_connection(server.getsockname(), timeout=ANSWER_SECONDS) as ours:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            took = median(_trip(ours) for _ in range(TRIPS))
        echo.join(ANSWER_SECONDS)
        return took


def _trip(ours: socket.socket) -> float:
    began = time.perf_counter()
    ours.sendall(WORD)
    left = len(WORD)
    while left:
        left -= len(ours.recv(left)) or left
    return time.perf_counter() - began


def _echo(server: socket.socket) -> None:
    theirs, _ = server.accept()
    with theirs:
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while word := theirs.recv(len(WORD)):
            theirs.sendall(word)
