"""Sends the calls of a plan at their times: `python -m loadtests.apps.first_retry_feed --plan FILE --zero T ...`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from celery import Celery

import eventbus.transport  # noqa: F401 - registers the server-less bus
from loadtests.apps.lifecycle import announce, end_with
from loadtests.first_retry.plan import read

IDLE_SECONDS: Final = 0.5


def main() -> int:
    """Send them all, then wait to be stopped."""
    options = _options()
    end_with(options.parent_pid)
    app, plan = Celery("feed", broker=options.broker), read(options.plan.read_text())
    announce(options.ready_file, {"calls": len(plan.calls)})
    for call in plan.calls:
        time.sleep(max(0.0, options.zero + call.at - time.time()))
        app.send_task(f"calls.{call.dependency}", args=[call.number])
    announce(options.report, {"sent": len(plan.calls)})
    while True:
        time.sleep(IDLE_SECONDS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sends the calls of a plan at their times")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--zero", type=float, required=True, help="the unix time at which the plan begins")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--parent-pid", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
