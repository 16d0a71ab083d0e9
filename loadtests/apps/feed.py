"""Feeds the sample app with the calls of a trace, and waits until each has ended well: `python -m loadtests.apps.feed`.

Speed is 'max': the trace's own times are left out, its token counts are kept. Progress and result go to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import Final

from loadtests.apps.llm_app import call_model
from loadtests.trace import read_trace

LOOK_SECONDS: Final = 0.5


def main() -> int:
    """Enqueue, wait, report; exit code 1 when not every call ended well in time."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Thread(target=_end_with_parent, args=(options.parent_pid, Event()), daemon=True).start()
    started = time.monotonic()
    tasks = [
        call_model.delay(context_tokens=call.context_tokens, generated_tokens=call.generated_tokens).id
        for call in read_trace(options.trace, options.calls)
    ]
    enqueued = time.monotonic() - started
    waiting = tasks
    while waiting and time.monotonic() - started < options.seconds:
        _tell(options.report, tasks, waiting, enqueued)
        time.sleep(LOOK_SECONDS)
        waiting = _not_yet(waiting)
    _tell(options.report, tasks, waiting, enqueued)
    return 1 if waiting else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Feed the sample app with the calls of a trace")
    parser.add_argument("--trace", type=Path, help="a file with TIMESTAMP,ContextTokens,GeneratedTokens")
    parser.add_argument("--calls", type=int, default=1_000, help="how many calls, from the first")
    parser.add_argument("--seconds", type=float, default=120, help="how long to wait for all to end well")
    parser.add_argument("--report", type=Path, required=True, help="where the JSON goes")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    return parser.parse_args()


def _not_yet(tasks: list[str]) -> list[str]:
    """Keep those that have not ended well: asked afresh, since a result object keeps a FAILURE that a redrive mends."""
    return [each for each in tasks if call_model.AsyncResult(each).state != "SUCCESS"]


def _tell(path: Path, tasks: list[str], waiting: list[str], enqueued: float) -> None:
    content = {"calls": len(tasks), "succeeded": len(tasks) - len(waiting), "enqueue_seconds": round(enqueued, 2)}
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps(content | {"missing": waiting[:10]}))
    draft.replace(path)


def _end_with_parent(parent_pid: int | None, never: Event) -> None:
    while parent_pid is None or os.getppid() == parent_pid:
        never.wait(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
