"""Feeds the sample app with the calls of a trace, and watches how they end: `python -m loadtests.apps.feed`.

Speed is 'max' (the trace's own times are left out, its token counts are kept) or a multiple of real time. No more than
AHEAD calls wait for a worker at any time, so memory stays the same for a trace of any length; how calls ended is
counted in the result backend, a database, with one query a look. Progress and result go to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import create_engine, text

from loadtests.apps.lifecycle import end_with
from loadtests.apps.llm_app import app, call_model
from loadtests.faults import FaultKind, load
from loadtests.trace import Call, read_trace

if TYPE_CHECKING:
    from sqlalchemy import Engine

# Few enough that a redrive, which joins the same queue, does not wait long behind them.
AHEAD: Final = 80
LOOK_SECONDS: Final = 0.1
TELL_SECONDS: Final = 1.0
# The last four bytes of a task's id are its call's index: what ended is told from the result backend alone.
CALL_BITS: Final = 32
NEWER: Final = text(
    "SELECT count(*), max(id) FROM celery_taskmeta WHERE id > :seen AND task_id BETWEEN :first AND :last"
)
# The outcomes of redrives stand in the same table, under ids of their own: only this run's tasks are counted.
ENDED: Final = text(
    "SELECT status, count(*) FROM celery_taskmeta WHERE task_id BETWEEN :first AND :last GROUP BY status"
)


@dataclass(slots=True)
class Progress:
    """How far the feeding of one run is."""

    report: Path
    engine: Engine
    run: int
    sent: int = 0
    waiting: int = 0
    _seen: int = 0
    _told: float = 0.0

    def task_id(self, call: int) -> str:
        """Give the id of a call's task."""
        return str(UUID(int=self.run << CALL_BITS | call))

    def wait(self, most: int) -> None:
        """Wait until no more than that many calls wait for their first run: a row appears when that is over."""
        while self.waiting > most:
            self.tell_if_due()
            time.sleep(LOOK_SECONDS)
            with self.engine.connect() as connection:
                found, newest = connection.execute(NEWER, self._span | {"seen": self._seen}).one()
            self.waiting -= found
            self._seen = newest or self._seen

    def tell(self, *, all_sent: bool = False) -> None:
        """Count the tasks by their state, and tell."""
        self._told = time.monotonic()
        with self.engine.connect() as connection:
            states = {str(state): int(count) for state, count in connection.execute(ENDED, self._span)}
        content = {"sent": self.sent, "all_sent": all_sent, "states": states, **self._span}
        draft = self.report.with_name(self.report.name + ".draft")
        draft.write_text(json.dumps(content))
        draft.replace(self.report)

    def tell_if_due(self) -> None:
        """Tell if that was done a while ago."""
        if time.monotonic() - self._told > TELL_SECONDS:
            self.tell()

    @property
    def _span(self) -> dict[str, str | int]:
        return {"first": self.task_id(0), "last": self.task_id(2**CALL_BITS - 1)}


def main() -> int:
    """Enqueue all, then go on telling how they end until stopped."""
    options = _options()
    end_with(options.parent_pid)
    app.backend.ResultSession().close()  # the first one makes the table
    engine = create_engine(app.conf.result_backend.removeprefix("db+"))
    progress = Progress(options.report, engine, UUID(bytes=os.urandom(16)).int >> CALL_BITS)
    _feed(options, progress)
    while True:
        progress.tell(all_sent=True)
        time.sleep(TELL_SECONDS / 2)


def _feed(options: argparse.Namespace, progress: Progress) -> None:
    faults, began, first = load(options.faults), time.monotonic(), None
    for index, call in enumerate(read_trace(options.trace, options.calls or None)):
        first = first or call
        _wait_for_its_time(options.speed, began, first, call, progress)
        progress.wait(AHEAD - 1)
        fault = faults.of_call(index)
        killed = {"killed": True} if fault and fault.kind is FaultKind.KILLED else {}
        tokens = {"context_tokens": call.context_tokens, "generated_tokens": call.generated_tokens}
        call_model.apply_async(kwargs=tokens | {"call": index} | killed, task_id=progress.task_id(index))
        progress.sent, progress.waiting = index + 1, progress.waiting + 1
        progress.tell_if_due()


def _wait_for_its_time(speed: float | None, began: float, first: Call, call: Call, progress: Progress) -> None:
    due = began + (call.timestamp - first.timestamp).total_seconds() / speed if speed else 0.0
    while (left := due - time.monotonic()) > 0:
        time.sleep(min(left, TELL_SECONDS))
        progress.tell_if_due()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Feed the sample app with the calls of a trace")
    parser.add_argument("--trace", type=Path, help="a file with TIMESTAMP,ContextTokens,GeneratedTokens")
    parser.add_argument("--calls", type=int, default=1_000, help="how many calls, from the first; 0: all")
    parser.add_argument("--speed", type=float, help="times real time; as fast as it goes when left out")
    parser.add_argument("--faults", type=Path, help="TOML or JSON; the default ones when left out")
    parser.add_argument("--report", type=Path, required=True, help="where the JSON goes")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
