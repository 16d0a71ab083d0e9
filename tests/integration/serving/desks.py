"""A desk with scenarios that end as their names say, for tests."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.serving.desk import Desk
from loadtests.serving.run import State, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.serving.desk import Run

STAND_IN = Path(__file__).with_name("stand_in.py")
NAMES = ("passes", "misses", "measures-nothing", "lies", "passes-nothing", "crashes", "sleeps", "hangs")
PATIENCE = 30.0


def desk_in(folder: Path) -> Desk:
    """Make a desk on the folder, with all scenarios; it is not open yet."""
    scenarios = folder / "scenarios"
    scenarios.mkdir(exist_ok=True)
    for name in NAMES:
        (scenarios / f"{name}.toml").touch()
    return Desk(folder / "out", (sys.executable, str(STAND_IN)), scenarios, stop_seconds=0.5)


def wanted(scenario: str, key: str = "k", timeout_seconds: float = 60.0) -> Wanted:
    """What to play."""
    return Wanted(scenario, key, timeout_seconds)


def ended(desk: Desk, run_id: str) -> Run:
    """Wait until a run is no longer going."""
    until(lambda: (found := desk.run(run_id)) is not None and found.state is not State.RUNNING)
    found = desk.run(run_id)
    assert found is not None
    return found


def played(desk: Desk, scenario: str) -> Run:
    """Play to the end."""
    run, new = desk.start(wanted(scenario))
    assert new
    return ended(desk, run.record.id)


def going(desk: Desk, scenario: str, **more: float) -> Run:
    """Start a run, and wait until its command works."""
    run, _ = desk.start(wanted(scenario, **more))
    until((desk.out / f"{scenario}.playing").exists)
    return run


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
