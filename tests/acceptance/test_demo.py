"""The demo as a newcomer runs it: from a checkout, from a wheel, and with the data plane away for a while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SINK_KEYS = {"accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead"}
SECONDS = 150


def demo(*options: str, cwd: Path, environ: dict[str, str] | None = None) -> dict[str, Any]:
    """Run `redrive demo --json`; gives what it printed, having checked that it held."""
    command = [sys.executable, "-m", "orchestrator", "demo", "--json", *options]
    merged = {**os.environ, **(environ or {})}
    done = subprocess.run(command, cwd=cwd, env=merged, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["passed"], result["checks"]
    return result


def still_running(folder: Path) -> list[str]:
    """List the command lines of processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_all_arrives_though_the_data_plane_was_away_for_the_middle_third(tmp_path: Path) -> None:
    """Every event reaches RudderStack in the end; the warehouse holds each call once; settle agrees."""
    folder = tmp_path / "a folder with spaces"
    result = demo("--calls", "400", "--stop-dataplane", "--keep", str(folder), cwd=tmp_path)
    assert result["calls"] == 400
    assert result["failed"] >= 100
    assert {"failed", "incidents", "recovered", "cost_usd", "seconds", "sinks"} <= set(result)
    for counts in result["sinks"].values():
        assert set(counts) >= SINK_KEYS
        assert counts["pending"] == counts["dead"] == 0
    assert result["sinks"]["warehouse"]["delivered"] == 400
    assert result["dataplane"]["distinct"] == result["sinks"]["rudderstack"]["delivered"]
    names = ("first_attempts", "first_successes")
    assert [result["settled"][name] for name in names] == [result["first_retry"][name] for name in names]
    assert still_running(folder) == []


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_outside_any_checkout(tmp_path: Path) -> None:
    """The wheel holds all that the demo needs: packs, schemas, migrations, the trace."""
    build = ["uv", "build", "--wheel", "--no-build-isolation", "--out-dir", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, "-m", *build], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    install = ["uv", "pip", "install", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", *install], check=True, capture_output=True)
    result = demo("--calls", "400", cwd=tmp_path, environ={"PYTHONPATH": str(site)})
    assert result["recovered"] == result["failed"]
