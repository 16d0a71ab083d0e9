"""`python -m loadtests SCENARIO` from its first process to its report, and what is left when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Too short for the gates of overhead and of the API's 99th percentile: what is counted is whole all the same.
SHORT = """
about = "A few seconds of each phase"
engines = "embedded"
seed = 9
rate = 15
telemetry_rate = 2
malformed = 0.05

[[phases]]
name = "overhead"
kind = "overhead"
seconds = 8
block_seconds = 1

[[phases]]
name = "recovery"
kind = "recovery"
seconds = 12
faults = [{ kind = "provider_down", at = 1, lasts = 5 }]
"""
COUNTED = (
    "first_retry_disagreements",
    "recoverable_never_released",
    "faults_made",
    "events_lost",
    "cost_completeness",
    "conservation",
    "backlog_end",
)


def command(folder: Path, scenario: Path, *more: str) -> list[str]:
    """Give the command that plays a scenario file with all it writes in a folder."""
    return [sys.executable, "-m", "loadtests", str(scenario), "--out", str(folder), *more]


def processes_of(folder: Path) -> list[str]:
    """List the command lines of running processes that name a folder."""
    listed = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Write the short scenario."""
    path = tmp_path / "short.toml"
    path.write_text(SHORT)
    return path


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the run work in a folder of its own, so that its processes can be told from others."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_counts_everything_and_leaves_nothing_running(tmp_path: Path, scenario: Path, work: Path) -> None:
    """Every account agrees, the report is there in each form and in the history, and no process or file stays."""
    asked = command(tmp_path / "out", scenario, "--json", "--seed", "11")
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    told = json.loads(done.stdout)
    gates = {each["figure"]: each["met"] for each in told["verdict"]["gates"]}
    assert {name: gates[name] for name in COUNTED} == dict.fromkeys(COUNTED, True), done.stderr
    assert (told["verdict"]["exit_code"], told["problems"]) == (done.returncode, [])
    assert (told["settings"]["seed"], told["engines"], told["scenario"]) == (11, "embedded", "short")
    written = {each.name for each in (tmp_path / "out" / "runs" / told["run_id"]).iterdir()}
    assert written >= {"report.json", "report.md", "junit.xml"}
    assert [each.stem for each in (tmp_path / "out" / "history").iterdir()] == [told["run_id"]]
    assert (processes_of(work), list(work.iterdir())) == ([], [])


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_takes_everything_with_it(
    tmp_path: Path, scenario: Path, work: Path, number: signal.Signals, code: int
) -> None:
    """A signal in the middle of the load ends the run, every process of it, its folder; a second is not heard."""
    asked = command(tmp_path / "out", scenario)
    with subprocess.Popen(asked, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as run:
        assert run.stderr
        for line in run.stderr:
            if line.startswith("overhead"):
                break
        assert processes_of(work) != []
        run.send_signal(number)
        time.sleep(0.5)
        run.send_signal(number)
        run.stderr.read()
        assert run.wait(100) == code
    deadline = time.monotonic() + 10
    while processes_of(work) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (processes_of(work), list(work.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (SHORT.replace('"embedded"', '"steam"'), "engines"),
        (SHORT.replace("rate = 15", "rate = -1"), "rate"),
        (None, "smoke"),
    ],
)
def test_a_scenario_that_cannot_be_read_is_a_usage_error(tmp_path: Path, content: str | None, named: str) -> None:
    """Nothing is started, the exit code is 2, and the key is named."""
    path = tmp_path / "wrong.toml"
    if content is not None:
        path.write_text(content)
    asked = command(tmp_path / "out", path)
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert not (tmp_path / "out").exists()
