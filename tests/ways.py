"""What real workers told of each of the 14 ways to fail: the events that the tests of capture saw (docs/capture.md).

They were taken down from one run of tests/integration/capture with Celery 5.7, paths and host name made neutral.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import orjson

from eventbus.wire import Event, decode

FILE: Final = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class ToldWay:
    """One case of a way: its number in the table, the task's id, and the events, those of redrives left out."""

    number: int
    task_id: str
    events: tuple[Event, ...]


@cache
def told_ways() -> dict[str, ToldWay]:
    """Give the cases by their names in tests/integration/capture/cases.py."""
    cases = json.loads(FILE.read_text())
    return {
        name: ToldWay(case["number"], case["task_id"], tuple(decode(orjson.dumps(case["events"]))))
        for name, case in cases.items()
    }
