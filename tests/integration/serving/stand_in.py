"""Plays no scenario: writes the report that its name asks for, as the real command would. Not a test."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

GATE = {"figure": "overhead_p95_ms", "unit": "ms", "rule": "below", "limit": 150.0, "judged_by": "high", "why": ""}
ENDS = {
    "passes": (0, "passed", {"value": 3.0, "met": True}),
    "misses": (99, "missed", {"value": 171.0, "met": False}),
    "measures-nothing": (1, "not_measured", {"value": None, "met": None, "why": "no calls"}),
    # the report and the exit code contradict each other
    "lies": (0, "missed", {"value": 171.0, "met": False}),
    "passes-nothing": (0, "passed", None),
}


def main() -> int:
    """End as the scenario's name says: `sleeps` until it is stopped, `hangs` even then, `crashes` without a report."""
    name, out = Path(sys.argv[1]).stem, Path(sys.argv[sys.argv.index("--out") + 1])
    sys.stdout.write(f"playing {name}\n")
    if name == "hangs":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (out / f"{name}.playing").touch()
    if name in ("sleeps", "hangs"):
        time.sleep(600)
    if name not in ENDS:
        return 3
    code, outcome, gate = ENDS["passes" if (out / f"{name}.passes").exists() else name]
    folder = out / "runs" / os.environ["LOADTESTS_RUN_ID"]
    folder.mkdir(parents=True)
    now = datetime.now(UTC).isoformat()
    report = {
        "schema": 1, "run_id": folder.name, "scenario": name, "engines": "embedded", "seconds": 1.0, "problems": [],
        "started_at": now, "ended_at": now, "commit": None, "dirty": None, "machine": {"kind": "a stand-in"},
        "versions": {}, "figures": [], "control": {}, "settings": {},
        "verdict": {"outcome": outcome, "exit_code": code, "gates": [GATE | gate] if gate else []},
        "trend": {"compared_with": ["a", "b"], "slower": [], "rule": "r", "why_not": None},
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "report.html").write_text("<html></html>")
    return code


if __name__ == "__main__":
    sys.exit(main())
