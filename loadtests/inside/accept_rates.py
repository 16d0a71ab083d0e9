"""One turn of accepting, in a process of its own: prints its figures as JSON.

    python -m loadtests.inside.accept_rates ARM --folder FOLDER --callers N --events N

ARM is `log` or `bare`, where each caller waits for the receipt of each of its events; or `batches`, where one caller
appends 100 events at once and processor time is counted.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from loadtests.accept.callers import called
from loadtests.accept.peer import BareSqlite
from loadtests.inside.filling import records
from orchestrator.eventlog.columns import sqlite_rows_of
from orchestrator.eventlog.schema import STORE
from orchestrator.eventlog.sql import SqlEventLog
from orchestrator.stores import utc_now

if TYPE_CHECKING:
    from orchestrator.domain.events import EventRecord

BATCH: Final = 100
SEED: Final = 20261128
Work = list[list[list["EventRecord"]]]


def work_of(callers: int, events: int) -> Work:
    """Make the events of each caller, one to a call."""
    dice = Random(SEED)
    return [[[each] for each in records(dice, events)] for _ in range(callers)]


def by_log(folder: Path, work: Work) -> dict[str, float]:
    """Append through the log's own call."""
    log = opened(folder)
    turn = called(work, lambda: log.append)
    log.close()
    return asdict(turn)


def by_peer(folder: Path, work: Work) -> dict[str, float]:
    """Append to bare SQLite: the same keys, and of each row as many bytes."""
    peer = BareSqlite(folder / "bare.sqlite")
    rows = [[[(each.key.bytes, payload(each)) for each in call] for call in calls] for calls in work]
    turn = called(rows, lambda: peer.append)
    peer.close()
    return asdict(turn)


def payload(record: EventRecord) -> bytes:
    """Give as many bytes as the log's row has beside its key."""
    (row,) = sqlite_rows_of([record], utc_now())
    return b"x" * sum(len(value) for value in row[1:] if isinstance(value, str | bytes))


def in_batches(folder: Path, events: int) -> dict[str, float]:
    """Count the microseconds of processor time that an event takes, in batches through the log's own call."""
    log, dice = opened(folder), Random(SEED)
    batches = [list(records(dice, BATCH, start)) for start in range(0, events, BATCH)]
    log.append(batches.pop())
    began = time.process_time()
    for batch in batches:
        log.append(batch)
    spent = time.process_time() - began
    log.close()
    peer = BareSqlite(folder / "bare.sqlite")
    rows = [[(each.key.bytes, payload(each)) for each in batch] for batch in batches]
    began = time.process_time()
    for each in rows:
        peer.append(each)
    bare = time.process_time() - began
    peer.close()
    count = len(batches) * BATCH
    return {"log": spent / count * 1e6, "bare": bare / count * 1e6}


def opened(folder: Path) -> SqlEventLog:
    """Make an empty log on SQLite."""
    url = f"sqlite:///{folder / 'events.sqlite'}"
    STORE.migrate(url)
    return SqlEventLog(url)


def main() -> None:
    """Measure one turn."""
    parser = argparse.ArgumentParser(description="Measure one turn of accepting")
    parser.add_argument("arm", choices=["log", "bare", "batches"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--events", type=int, required=True, help="of each caller")
    given = parser.parse_args()
    if given.arm == "batches":
        figures = in_batches(given.folder, given.events)
    else:
        play = by_log if given.arm == "log" else by_peer
        figures = play(given.folder, work_of(given.callers, given.events))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
