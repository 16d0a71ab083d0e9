"""Does in the warm process what its children will do, before the first fork.

What Python notes when code runs for the first times (which instructions it has specialised, where it has found a
method) is so written once, and not by every child.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from .child import perform
from .warming import remember

TIMES = 10
ENVIRONMENT = {f"REDRIVE_REHEARSAL_{number}": "yes" for number in range(8)}
FILE = Path(__file__).with_name("rehearsed.py")
JOB = {
    "file": str(FILE),
    "pack": "rehearsal",
    "user": "nobody",
    "parameters": {"number": 1},
    "config": {},
    "env": ENVIRONMENT,
    "log_level": "DEBUG",
    "mark": "mark",
}


def rehearse() -> None:
    """Run an action some times; what it leaves in this process is taken back. A rehearsal that fails does no harm."""
    path = sys.path[:]
    remember(FILE)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys._clear_type_cache()
    with contextlib.suppress(Exception):
        for _ in range(TIMES):
            perform(json.JSONDecoder().raw_decode(json.dumps(JOB))[0], nowhere)
    os.close(nowhere)
    for name in ENVIRONMENT:
        os.environ.pop(name, None)
    sys.path[:] = path
