"""Locust has its settings from the run that started it, and from nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtests.playing.users import Users
from loadtests.processes import Processes
from loadtests.scenarios.scenario import Engines, Phase, PhaseKind, Scenario

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PLAN = Scenario("mine", "", Engines.EMBEDDED, 1, 20, (Phase("calm", PhaseKind.LOAD, 10),))
# A time that is none: whoever reads it ends at once, and says so.
BROKEN = "run-time = never\n"
NOBODY = "http://127.0.0.1:9"


def test_no_settings_of_whoever_plays_come_to_locust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the current folder nor those at home, nor those of the environment."""
    here, home = tmp_path / "here", tmp_path / "home"
    for folder, name in ((here, "locust.conf"), (home, ".locust.conf")):
        folder.mkdir()
        (folder / name).write_text(BROKEN)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOCUST_RUN_TIME", "never")
    run = tmp_path / "run"
    run.mkdir()
    with Processes(run) as processes:
        users = Users(processes, PLAN, 1)
        users.start(NOBODY, NOBODY, run / "stamps.txt")
        assert users.stop() is None
