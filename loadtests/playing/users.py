"""Locust as a process of a run: the load of the scenario, its rate changed by a file, its answers in another."""

from __future__ import annotations

import json
import os
import site
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import loadtests
from loadtests.scenarios.scenario import PhaseKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadtests.processes import Process, Processes
    from loadtests.scenarios.scenario import Phase, Scenario

STOP_TIMEOUT = 10


def load_of(scenario: Scenario, phase: Phase | None) -> dict[str, float]:
    """Give what arrives a second, None for the warm-up; malformed calls come where failures are looked at."""
    failing = phase is not None and phase.kind is PhaseKind.RECOVERY
    rate = scenario.rate if phase is None or phase.rate is None else phase.rate
    telemetry = scenario.telemetry_rate if phase is None or phase.telemetry_rate is None else phase.telemetry_rate
    malformed = scenario.malformed if failing else 0.0
    return {"rate": rate, "telemetry_rate": telemetry, "malformed": malformed}


@dataclass(slots=True)
class Users:
    """The users of one run; nobody comes before the first rate is set. Files are in the processes' folder."""

    processes: Processes
    scenario: Scenario
    seed: int
    _process: Process | None = None

    @property
    def answers(self) -> Path:
        """The file with a line for each answered request."""
        return self.processes.folder / "answers.txt"

    @property
    def accepted(self) -> Path:
        """The file with a line for each event of the telemetry's producer that had its receipt."""
        return self.processes.folder / "accepted.txt"

    @property
    def figures(self) -> Path:
        """Locust's own figures, written at its end."""
        return self.processes.folder / "locust.json"

    @property
    def _rate_file(self) -> Path:
        return self.processes.folder / "rate.json"

    def start(self, front: str, api: str, stamps: Path) -> None:
        """Start Locust, and wait until its users are there; `stamps` is the file by which it sees calls end."""
        self.set_load({"rate": 0.0, "telemetry_rate": 0.0})
        file = str(Path(loadtests.__file__).with_name("locustfile.py"))
        command = ["-m", "locust", "-f", file, "--headless", "--only-summary", "--exit-code-on-error", "0"]
        # In the run's folder, and at home there: a locust.conf, here or of whoever plays it, is not of the run.
        home = {"HOME": str(self.processes.folder), "PYTHONUSERBASE": site.getuserbase()}
        asked = [*command, *self._options(front, api, stamps)]
        self._process = self.processes.start("locust", asked, home, self.processes.folder)
        self.processes.await_ready(self._process)

    def _options(self, front: str, api: str, stamps: Path) -> list[str]:
        plan = self.scenario
        users = 1 + plan.operators + bool(plan.telemetry_rate)
        told: dict[str, object] = {
            "--host": front,
            "--api-url": api,
            "--users": users,
            "--spawn-rate": users,
            "--rate": plan.rate,
            "--operators": plan.operators,
            "--telemetry-rate": plan.telemetry_rate,
            "--load-seed": self.seed,
            "--rate-file": self._rate_file,
            "--stamps": stamps,
            "--answers": self.answers,
            "--accepted": self.accepted,
            "--load-ready-file": self.processes.ready_file("locust"),
            "--json-file": self.figures.with_suffix(""),
            "--stop-timeout": STOP_TIMEOUT,
            "--parent-pid": os.getpid(),
        }
        return [text for name, value in told.items() for text in (name, str(value))]

    def set_phase(self, phase: Phase | None) -> None:
        """Have calls arrive as a phase says, None for the warm-up."""
        self.set_load(load_of(self.scenario, phase))

    def set_load(self, load: Mapping[str, float]) -> None:
        """Change what arrives a second; Locust looks a few times a second."""
        draft = self._rate_file.with_suffix(".draft")
        draft.write_text(json.dumps(load))
        draft.replace(self._rate_file)

    def stop(self) -> str | None:
        """Let nobody come any more, and wait until what was asked is answered; gives what went wrong with Locust."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        self.processes.stop(process)
        code = process.popen.returncode
        return f"expected Locust to end with 0, got {code}; see {process.log}" if code else None
