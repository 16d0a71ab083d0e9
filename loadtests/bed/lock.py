"""Keeps other writers from a SQLite file: `python -m loadtests.bed.lock FILE [--hold SECONDS --rest SECONDS]`.

It holds the file's write lock for so long at a time, and lets others in between; without --hold until it is stopped.
"""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final

from loadtests.apps.lifecycle import announce, end_with

# Writers that wait look again after a tenth of a second at the latest: within a rest one of them gets in.
REST_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 60.0
AT_A_TIME: Final = 3600.0


def main() -> int:
    """Hold the lock until told to stop, or until the parent is gone."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_with(options.parent_pid)
    file = sqlite3.connect(options.file, timeout=WAIT_SECONDS, isolation_level=None)
    while True:
        file.execute("BEGIN IMMEDIATE")
        announce(options.ready_file, {"file": options.file})
        time.sleep(options.hold or AT_A_TIME)
        file.execute("ROLLBACK")
        time.sleep(options.rest)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Keeps other writers from a SQLite file")
    parser.add_argument("file")
    parser.add_argument("--hold", type=float, help="seconds at a time; without it all the time")
    parser.add_argument("--rest", type=float, default=REST_SECONDS, help="seconds between")
    parser.add_argument("--ready-file", type=Path, help="written once it holds the lock")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
