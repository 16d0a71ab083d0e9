"""What a demo is asked to do, checked before anything starts: a trace, its faults, a speed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.errors import RedriveError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PLAN_FILE: Final = "plan.sqlite"


class DemoInvalid(RedriveError):
    """A trace or a fault file that cannot be used; names the file, and the line or key."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line. `calls` 0 means all, `speed` None as fast as it goes."""

    calls: int = 1_000
    trace: Path | None = None
    speed: float | None = None
    faults: Path | None = None

    def options(self) -> list[str]:
        """Give it as options of the sample programs."""
        chosen = {"--trace": self.trace, "--faults": self.faults}
        told = [part for name, path in chosen.items() if path for part in (name, str(path))]
        return ["--calls", str(self.calls), *told]


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What will happen: so many calls over so many seconds of the trace; faults, some by the clock (`windows`).

    `planned` counts, for each kind of fault that the file names, the calls that have it by share.
    """

    wish: Wish
    calls: int
    trace_seconds: float
    seed: int
    planned: Mapping[str, int]
    windows: Sequence[Mapping[str, Any]]

    @property
    def malformed(self) -> int:
        """Count the calls that can never succeed."""
        return self.planned.get("malformed", 0)


def survey(wish: Wish, folder: Path) -> DemoPlan:
    """Have trace and faults checked, and calls with a fault of their own filed in the folder; raises DemoInvalid."""
    command = ["-m", "loadtests.apps.plan", "--out", str(folder / PLAN_FILE), *wish.options()]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["expected a plan, got nothing"]
        raise DemoInvalid(lines[-1])
    return DemoPlan(wish, **json.loads(done.stdout))
