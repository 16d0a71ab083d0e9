"""What arrives in a phase is the scenario's word, and Locust is told by a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from loadtests.playing.users import Users, load_of
from loadtests.processes import Processes
from loadtests.scenarios.scenario import Engines, Phase, PhaseKind, Scenario

if TYPE_CHECKING:
    from pathlib import Path

CALM = Phase("calm", PhaseKind.OVERHEAD, 10)
OUTAGE = Phase("outage", PhaseKind.RECOVERY, 10, rate=12)
PLAN = Scenario("mine", "", Engines.EMBEDDED, 1, 20, (CALM, OUTAGE), malformed=0.1, telemetry_rate=2)


@pytest.mark.parametrize(("phase", "rate", "malformed"), [(None, 20, 0), (CALM, 20, 0), (OUTAGE, 12, 0.1)])
def test_malformed_calls_come_where_failures_are_looked_at(phase: Phase | None, rate: float, malformed: float) -> None:
    """A phase's own rate wins, and only a recovery phase has calls that never succeed."""
    assert load_of(PLAN, phase) == {"rate": rate, "telemetry_rate": 2, "malformed": malformed}


def test_the_rate_is_changed_by_a_file_that_is_always_whole(tmp_path: Path) -> None:
    """Locust reads the file at any moment: it is renamed into its place, and no draft stays."""
    users = Users(Processes(tmp_path), PLAN, 1)
    users.set_phase(OUTAGE)
    users.set_phase(CALM)
    assert json.loads((tmp_path / "rate.json").read_text())["rate"] == 20
    assert [each.name for each in tmp_path.iterdir()] == ["rate.json"]


@pytest.mark.parametrize(("code", "said"), [(0, None), (2, "expected Locust to end with 0, got 2")])
def test_how_locust_ends_is_told(tmp_path: Path, code: int, said: str | None) -> None:
    """A fault in an arrival makes its exit code, which is nobody's if it is not told."""
    with Processes(tmp_path) as processes:
        users = Users(processes, PLAN, 1)
        users._process = processes.start("locust", ["-c", f"raise SystemExit({code})"])
        users._process.popen.wait()
        problem = users.stop()
    assert problem is None if said is None else said in str(problem)
