"""Times what a task pays for the journal: `python tests/unit/eventbus/time_journal.py` (microseconds, median and p95).

Eight runs at a time begin and end, with the headers that Celery sends. Beside them, in the same run and in turn with
them: bare appends of as many bytes, which no journal in a file can go below.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from eventbus.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 4_000
AT_ONCE = 8
TASK_ID = str(uuid4())
HEADERS = {
    "lang": "py",
    "task": "tasks.add",
    "id": TASK_ID,
    "root_id": TASK_ID,
    "retries": 0,
    "timelimit": [None, None],
    "argsrepr": "(1, 2)",
    "kwargsrepr": "{}",
    "origin": "gen1@host",
    "ignore_result": False,
    "replaced_task_nesting": 0,
    "stamps": {},
    **dict.fromkeys(("shadow", "eta", "expires", "group", "group_index", "parent_id", "stamped_headers")),
}
RECORD: dict[str, Any] = {
    "task_id": TASK_ID,
    "task": "tasks.add",
    "retries": 0,
    "attempt_id": None,
    "pid": os.getpid(),
    "started_at": time.time(),
    "acks_late": False,
    "declaration": {"dependency": None, "idempotent": True},
    "message": {
        "body": b'[[1, 2], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": HEADERS,
        "properties": {"correlation_id": TASK_ID, "reply_to": TASK_ID, "priority": 0, "delivery_mode": 2},
        "exchange": "",
        "routing_key": "celery",
        "queue": "celery",
    },
}


def took(act: Callable[[], object]) -> float:
    """Time one call, in microseconds."""
    began = time.perf_counter_ns()
    act()
    return (time.perf_counter_ns() - began) / 1000


def main() -> None:
    """Time both halves, and the floor beneath each."""
    times: dict[str, list[float]] = {name: [] for name in ("began", "append 1,100 bytes", "ended", "append 50 bytes")}
    with TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "bus", "celery@timed", str(uuid4()))
        floor = os.open(Path(folder) / "floor", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for number in range(ROUNDS):
            keys = [f"{TASK_ID}-{number}-{which}/0/none" for which in range(AT_ONCE)]
            times["began"] += [took(lambda key=key: journal.began(key, RECORD)) for key in keys]
            times["ended"] += [took(lambda key=key: journal.ended(key)) for key in keys]
            times["append 1,100 bytes"].append(took(lambda: os.write(floor, b"x" * 1100)))
            times["append 50 bytes"].append(took(lambda: os.write(floor, b"x" * 50)))
        os.close(floor)
        journal.close()
    for name, each in times.items():
        told = f"median {median(each):6.1f}   p95 {quantiles(each, n=20)[-1]:6.1f}   mean {sum(each) / len(each):6.1f}"
        print(f"{name:20} {told}")  # noqa: T201 - a table on stdout


if __name__ == "__main__":
    main()
