"""Checks what a demo is asked for, before anything starts: `python -m loadtests.apps.plan --out plan.sqlite`.

Reads trace and faults once. Prints JSON: how many calls, over how many seconds of the trace, which faults. The file
gets a row for each call that has a fault by its share, and for each whose prompt repeats an earlier one. Exit code 2,
and one line on stderr, where trace or faults are wrong.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.faults import Faults, FaultsInvalid, load
from loadtests.prompts import original_of
from loadtests.trace import TraceError, read_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = 2


def main() -> int:
    """Check, write, print."""
    options = _options()
    try:
        faults = load(options.faults)
        print(json.dumps(survey(options.trace, options.calls, faults, options.out)))
    except (FaultsInvalid, TraceError, OSError) as error:
        print(error, file=sys.stderr)
        return USAGE
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check a demo's trace and faults")
    parser.add_argument("--trace", type=Path, help="CSV, or CSV in .gz; the shipped one when left out")
    parser.add_argument("--calls", type=int, default=0, help="how many calls, from the first; 0: all")
    parser.add_argument("--faults", type=Path, help="TOML or JSON; the default ones when left out")
    parser.add_argument("--out", type=Path, required=True, help="the SQLite file to write")
    return parser.parse_args()


def survey(trace: Path | None, most: int, faults: Faults, out: Path) -> dict[str, Any]:
    """Count the calls and file those with a fault by share; raises TraceError, also for a trace without a call."""
    count, first, last = 0, None, None
    planned = dict.fromkeys(map(str, faults.kinds), 0)
    with closing(sqlite3.connect(out)) as connection, connection:
        connection.execute("CREATE TABLE planned (call INTEGER PRIMARY KEY, kind TEXT NOT NULL)")

        def rows() -> Iterator[tuple[int, str]]:
            nonlocal count, first, last
            for call in read_trace(trace, most or None):
                first, last = first or call.timestamp, call.timestamp
                fault = faults.of_call(count)
                if fault:
                    planned[str(fault.kind)] += 1
                    yield count, str(fault.kind)
                count += 1

        connection.executemany("INSERT INTO planned VALUES (?, ?)", rows())
        connection.execute("CREATE TABLE repeats (call INTEGER PRIMARY KEY, original INTEGER NOT NULL)")
        connection.executemany("INSERT INTO repeats VALUES (?, ?)", _repeats(faults.seed, count))
    if first is None or last is None:
        raise TraceError(f"{trace.name if trace else 'the trace'}, line 2: expected a call, got the end of the file")
    windows = [
        {"kind": str(each.kind), "at": each.at, "seconds": each.lasts} for each in faults.entries if each.at is not None
    ]
    span = (last - first).total_seconds()
    return {"calls": count, "trace_seconds": span, "seed": faults.seed, "planned": planned, "windows": windows}


def _repeats(seed: int, count: int) -> Iterator[tuple[int, int]]:
    for call in range(count):
        original = original_of(seed, call)
        if original is not None:
            yield call, original


if __name__ == "__main__":
    sys.exit(main())
