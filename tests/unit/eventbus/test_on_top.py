"""A signal's handler comes back in on top of what its thread was doing: a cold shutdown of Celery runs in one."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

AGAIN = """
import faulthandler, signal, sys
from pathlib import Path
faulthandler.dump_traceback_later(60, exit=True)
folder, times = Path(sys.argv[1]), 0

def often(call):
    # Have a signal's handler make the call on top of the same call, at whatever place, some hundred times.
    def handle(*_):
        global times
        times += 1
        call("on top")
        if times < 500:
            signal.setitimer(signal.ITIMER_REAL, 0.0003)
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while times < 500:
        call("beneath")
"""

JOURNAL = """
import itertools
from eventbus import journal
journal.TURN_RUNS = 3
from eventbus.journal_records import flight_of
made = journal.Journal.open(folder / "bus", "celery@here", "boot")
message = {"body": b"x", "headers": {}, "properties": {}}
numbers, left = itertools.count(), []

def run(what):
    number = next(numbers)
    mine = f"{what}/{number}"
    if number < 40:
        left.append(mine)
    made.began(mine, {"task_id": "t", "message": message})
    if number >= 40:
        made.ended(mine)

often(run)
files = [(made.place / name).read_bytes() for name in ("runs", "ends-0", "ends-1")]
flight = flight_of(files[0], (files[1], files[2]))
found = sorted(name.decode() for name, runs in flight.begun.items() for _ in runs)
assert found == sorted(left), (found, left)
"""

PUBLISHER = """
from datetime import UTC, datetime
from uuid import uuid4
from eventbus import wire
from eventbus.publisher import Publisher
publisher = Publisher("memory://", folder)

def publish(what):
    publisher.publish(wire.Event(str(uuid4()), "urn:x", wire.TASK_OUTCOMES, datetime.now(UTC), {"what": what}))
    publisher._sender.drop(1, "no reason")

often(publish)
"""

OUTCOMES = """
from eventbus.outcomes import Outcomes
outcomes, counted = Outcomes(lambda _: None), 0

def count(_):
    global counted
    counted += 1
    outcomes.count("a", succeeded=True)

often(count)
assert outcomes.take()["counts"][0]["succeeded"] == counted
"""


@pytest.mark.parametrize("script", [JOURNAL, PUBLISHER, OUTCOMES], ids=["journal", "publisher", "outcomes"])
def test_what_is_called_on_top_of_itself_neither_hangs_nor_forgets(tmp_path: Path, script: str) -> None:
    """The thread never waits for itself, and what either of the two calls wrote is there."""
    ended = subprocess.run(
        [sys.executable, "-c", dedent(AGAIN + script), str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
