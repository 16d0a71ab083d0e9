"""The demo as a newcomer runs it: from a checkout, from a wheel, and with the data plane away for a while."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SINK_KEYS = {"accepted", "filtered", "sampled_out", "routed", "delivered", "pending", "dead"}
SECONDS = 240
HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


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


FAULTS = """
seed = 2007
faults = [
    { kind = "outage", at_seconds = 1, for_seconds = 4 },
    { kind = "rate_limited", share = 0.01 },
    { kind = "slow", share = 0.01 },
    { kind = "timeout", share = 0.01 },
    { kind = "malformed", share = 0.01 },
    { kind = "killed", share = 0.01 },
]
"""


@pytest.mark.slow
def test_all_arrives_though_the_data_plane_was_away_for_the_middle_third(tmp_path: Path) -> None:
    """Every event reaches RudderStack in the end; the warehouse holds each call once; settle agrees."""
    folder, report, faults = tmp_path / "a folder with spaces", tmp_path / "a report.html", tmp_path / "faults.toml"
    faults.write_text(FAULTS)
    options = ("--calls", "300", "--stop-dataplane", "--faults", str(faults), "--report", str(report))
    result = demo(*options, "--keep", str(folder), cwd=tmp_path)
    assert (result["calls"], result["succeeded"], result["waiting"]) == (300, 297, 3)
    assert result["recovered"] == result["failed"] - 3
    for counts in result["sinks"].values():
        assert set(counts) >= SINK_KEYS
        assert counts["pending"] == counts["dead"] == 0
    assert result["completeness"]["received"] == result["completeness"]["recorded"] == 297
    assert result["dataplane"]["distinct"] == result["sinks"]["rudderstack"]["delivered"]
    names = ("first_attempts", "first_successes")
    assert [result["settled"][name] for name in names] == [result["first_retry"][name] for name in names]
    met = {each["kind"]: each["calls"] for each in result["faults"]}
    assert all(met[kind] > 0 for kind in ("outage", "rate_limited", "slow", "timeout", "malformed", "killed"))
    assert self_contained(report.read_text())
    assert still_running(folder) == []


def self_contained(page: str) -> bool:
    """Tell whether a page asks for nothing beyond itself."""
    return page.startswith("<!doctype html>") and not re.search(r"https?://|src=|url\(|@import|<script", page)


@pytest.mark.parametrize(
    ("options", "files", "told"),
    [
        (("--trace", "t.csv"), {"t.csv": ""}, "t.csv, line 1"),
        (("--trace", "t.csv"), {"t.csv": "TIMESTAMP,ContextTokens\n"}, "expected the columns"),
        (("--trace", "t.csv"), {"t.csv": HEAD + "2023-11-16 18:15:46.68,-4,1\n"}, "line 2, column ContextTokens"),
        (("--trace", "nowhere.csv"), {}, "nowhere.csv"),
        (("--faults", "f.toml"), {"f.toml": '[[faults]]\nkind = "slow"\nshare = 2\n'}, "faults[0].share"),
        (("--speed", "-1"), {}, "--speed"),
        (("--keep", "."), {"something": "of mine"}, "--keep"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_starts(
    tmp_path: Path, options: tuple[str, ...], files: dict[str, str], told: str
) -> None:
    """Exit code 2, one line that names the place, no file left and none touched."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    command = [sys.executable, "-m", "orchestrator", "demo", *options]
    environ = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(temporary.iterdir()) == []
    assert {each.name for each in tmp_path.iterdir()} == {*files, "tmp"}


@pytest.mark.slow
def test_an_interrupted_demo_leaves_nothing_and_the_next_one_compares(tmp_path: Path) -> None:
    """After Ctrl-C no process and no file is left; right after it, both arms run and their figures are told."""
    temporary, faults = tmp_path / "tmp", tmp_path / "faults.toml"
    temporary.mkdir()
    faults.write_text(FAULTS)
    environ = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "orchestrator", "demo", "--calls", "300"]
    running = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with running:
        while not list(temporary.glob("*/feed.json")):
            assert running.poll() is None
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    assert list(temporary.iterdir()) == []
    assert still_running(temporary) == []
    result = demo(
        "--calls", "300", "--faults", str(faults), "--compare", cwd=tmp_path, environ={"TMPDIR": str(temporary)}
    )
    ours, theirs = result["comparison"]["redrive"], result["comparison"]["celery"]
    assert ours["ended_well"] == 297
    assert ours["ended_well"] + ours["failure"] == theirs["ended_well"] + theirs["failure"] == 300
    assert theirs["failure"] >= 6, "three malformed calls, three killed workers"
    assert list(temporary.iterdir()) == []


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
    assert result["recovered"] + result["waiting"] == result["failed"]
