"""`python -m loadtests run` from its first process to its last figure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.timings import SPANS

ROOT = Path(__file__).parents[2]


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the checkout."""
    command = [sys.executable, "-m", "loadtests", "run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


def processes_of(folder: Path) -> list[str]:
    """List the command lines of running processes that name a folder."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line and " run " not in line]


def holds_together(told: dict[str, Any]) -> bool:
    """Tell whether a difference is one, and lies in its interval."""
    difference = told["p95_on_ms"] - told["p95_off_ms"]
    return abs(difference - told["difference_ms"]) < 1e-6 and told["low_ms"] <= told["high_ms"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_measures_overhead_and_first_retries(tmp_path: Path) -> None:
    """A run tells each overhead with interval and samples, counts first retries twice, and leaves nothing running."""
    done = ran("--seconds", "15", "--seed", "11", "--json", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["measured"], told["problems"], told["seed"]) == (True, [], 11)
    assert set(told["overhead"]) == set(SPANS)
    in_turns = {arm: sum(t["measured"] for t in told["turns"] if t["arm"] == arm) for arm in ("on", "off")}
    for each in told["overhead"].values():
        assert holds_together(each)
        assert (each["samples_on"], each["samples_off"]) == (in_turns["on"], in_turns["off"])
    calls, first = told["calls"], told["first_retry"]
    assert calls["sent"] == calls["succeeded_at_once"] + calls["failed_at_first"]
    assert calls["unfinished"] == 0
    assert 0 < first["successes"] <= first["attempts"] == calls["failed_at_first"]
    assert first["share"] == first["successes"] / first["attempts"]
    settled = first["settled"]
    assert (settled["first_successes"], settled["first_attempts"]) == (first["successes"], first["attempts"])
    assert sum(each["requests"] for each in told["requests"] if each["name"] == "POST /calls") >= calls["sent"]
    assert processes_of(tmp_path / "kept") == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_run_that_cannot_begin_says_why(tmp_path: Path) -> None:
    """Where a process does not come up the exit code is 1, and the error holds what that process said."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "state").write_text("a file where a folder has to be")
    done = ran("--seconds", "15", "--keep", str(kept))
    assert done.returncode == 1
    assert "could not measure: expected dev to run" in done.stderr
    assert processes_of(kept) == []
