"""A storm of failures on a bus, at a steady rate: `python -m loadtests.apps.storm --bus URL --failures N --seconds S`.

Each failure is of a task of its own, of three task names in turn, and its message holds a UUID. What came of it is
written as JSON to --report once the bus has confirmed all of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import eventbus.transport  # noqa: F401 - registers the server-less bus
from eventbus.publisher import Publisher
from loadtests.apps.failures import TASKS, Called, failed
from loadtests.apps.lifecycle import announce, end_with

CONFIRM_SECONDS: Final = 300.0


def main() -> int:
    """Publish all of it, wait for the confirms, tell."""
    options = _options()
    end_with(options.parent_pid)
    announce(options.ready_file, {"url": options.bus})
    publisher = Publisher(options.bus, options.spool)
    began = time.time()
    _publish(publisher, options, began)
    published = time.time()
    confirmed = publisher.flush(CONFIRM_SECONDS)
    counts = publisher.counts
    told: dict[str, Any] = {"began": began, "published": published, "confirmed": time.time() if confirmed else None}
    announce(options.report, told | {"sent": counts.sent, "spooled": counts.spooled, "dropped": counts.dropped})
    publisher.close()
    while True:
        time.sleep(1)


def _publish(publisher: Publisher, options: argparse.Namespace, began: float) -> None:
    for number in range(options.failures):
        due = began + number * options.seconds / options.failures
        if (early := due - time.time()) > 0:
            time.sleep(early)
        call = Called(TASKS[number % len(TASKS)], str(uuid4()), options.queue)
        publisher.publish(failed(call))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A storm of failures on a bus")
    parser.add_argument("--bus", required=True)
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--failures", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--queue", required=True, help="the queue that the failed tasks had come from")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path)
    parser.add_argument("--parent-pid", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
