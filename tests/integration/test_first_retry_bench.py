"""`python -m loadtests bench first-retry` from its first process to its last figure, with few faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIX = """
scale = 2400
seconds = 10
drain_seconds = 15
[outage]
dependencies = 2
median_minutes = 77
p90_minutes = 307
calls_per_second = 1
[partial]
dependencies = 1
minutes = 100
error_rate = 0.2
calls_per_second = 2
[rate_limited]
dependencies = 1
windows = 1
minutes = 80
calls_per_second = 2
[deadlock]
calls = 2
lock_seconds = 300
[oom]
calls = 1
[poison]
calls = 1
[permanent]
share = 0.1
"""
MEASURED = (0, 99)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_small_contest_is_counted_alike_by_everybody(tmp_path: Path) -> None:
    """Worker, provider and ledger agree, no permanent failure is left out of sight, and nothing keeps running."""
    mix, kept = tmp_path / "mix.toml", tmp_path / "kept"
    mix.write_text(MIX)
    command = [sys.executable, "-m", "loadtests", "bench", "first-retry", "--plan", str(mix), "--seed", "5", "--json"]
    wanted = ["--only", "redrive", "temporal", "--keep", str(kept)]
    done = subprocess.run([*command, *wanted], cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode in MEASURED, done.stdout + done.stderr
    told = json.loads(done.stdout)
    ours, theirs = told["contestants"]
    assert (ours["contestant"], theirs["contestant"]) == ("redrive", "temporal")
    assert ours["disagreements"] == theirs["disagreements"] == []
    rows = {each["kind"]: each for each in ours["rows"]}
    planned = sum(each["kind"] == "permanent" for each in told["calls"])
    assert rows["permanent"]["failed"] == planned > 0
    assert rows["permanent"]["released"] == 0
    assert rows["poison"]["recovered"] == 0
    assert rows["outage"]["recovered"] == rows["outage"]["failed"] > 0
    assert sum(each["failed"] for each in ours["rows"]) == ours["total"]["failed"]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if str(kept) in line and "first-retry" not in line] == []
